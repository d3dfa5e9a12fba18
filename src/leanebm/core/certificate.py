"""What certification says of a proof: a certificate, or why there is none."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import Final

import attrs

from leanebm._shown import fitting_repr
from leanebm.core.theorem import Theorem

ACCEPTED_AXIOMS: Final = frozenset({"propext", "Classical.choice", "Quot.sound"})
"""The axioms of Lean's own library that ordinary mathematics uses; a proof may rest on no other."""

OUR_BACKENDS: Final = frozenset({"embedded", "native", "pantograph"})
"""The backends that run leanebm's own way of asking Lean; any other is a program that the user names."""


@attrs.frozen(kw_only=True)
class Certificate:
    """Lean's kernel accepted this text, elaborated afresh by a worker that ran no search.

    The text type-checks, states the theorem that was asked for, leaves no metavariable and uses no
    axiom beyond :data:`ACCEPTED_AXIOMS`. It records what is needed to check the proof again: the text
    and its hash, what it says, and which Lean said so.
    """

    theorem: Theorem
    source: str
    """The whole ``.lean`` file: header, statement and proof. It stands alone."""

    tactics: tuple[str, ...]
    """The proof, one block of text per step; run one after the other on the first goal, they prove the theorem."""

    statement: str
    """The certified statement, as a text that Lean reads back as the same: its print, or what was asked for."""

    fingerprint: str
    """A hash of the certified type, equal for statements equal up to bound names."""

    axioms: tuple[str, ...]
    """The logical axioms the proof depends on, sorted."""

    constants: tuple[str, ...]
    """Library constants that the statement or the proof uses directly, sorted."""

    trusted_constants: tuple[str, ...] = ()
    """Those of ``constants`` whose own proofs this Lean does not carry: trusted by the package's hash."""

    lean_version: str
    backend: str
    imports: tuple[str, ...]
    leanebm_version: str = attrs.field(factory=lambda: version("leanebm"))
    """The version of leanebm whose certifier decided."""

    __repr__ = fitting_repr

    @property
    def vouched_for_by(self) -> str:
        """Whose word the certificate is, in words: a program of the user's own can say anything."""
        return "the Lean that leanebm started" if self.backend in OUR_BACKENDS else "a program of the user's own"

    @property
    def source_sha256(self) -> str:
        """SHA-256 of ``source`` in UTF-8, in hexadecimal: what ``sha256sum`` says of the file."""
        return hashlib.sha256(self.source.encode()).hexdigest()


@attrs.frozen(kw_only=True)
class CertificationRejected:
    """The search believed in this proof; the certifier did not."""

    theorem: Theorem
    source: str
    tactics: tuple[str, ...]
    reason: str
    """One word: ``elaboration``, ``sorry``, ``axioms``, ``type_mismatch``, ``self_reference``,
    ``metavariables``, ``kernel``, ``forbidden``, ``length``, ``record`` …"""

    message: str
    """The reason in a sentence, with Lean's own words where there are some."""

    __repr__ = fitting_repr


CertificationResult = Certificate | CertificationRejected
