"""What certification says of a proof: a certificate, or why there is none."""

from __future__ import annotations

import attrs

from leanebm.core.theorem import Theorem

__all__ = ["Certificate", "CertificationRejected", "CertificationResult"]


@attrs.frozen(kw_only=True)
class Certificate:
    """Lean's kernel accepted this text, elaborated afresh by a worker that ran no search.

    The text type-checks, states the theorem that was asked for, leaves no metavariable and uses no
    axiom beyond ``propext``, ``Classical.choice`` and ``Quot.sound``.
    """

    theorem: Theorem
    source: str
    """The whole ``.lean`` file: header, statement and proof. It stands alone."""

    tactics: tuple[str, ...]
    """The proof, one entry a search step."""

    statement: str
    """The certified type, as Lean prints it."""

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


@attrs.frozen(kw_only=True)
class CertificationRejected:
    """The search believed in this proof; the certifier did not."""

    theorem: Theorem
    source: str
    tactics: tuple[str, ...]
    reason: str
    """One word: ``elaboration``, ``sorry``, ``axioms``, ``type_mismatch``, ``self_reference``,
    ``metavariables``, ``kernel``, ``forbidden`` …"""

    message: str
    """The reason in a sentence, with Lean's own words where there are some."""


CertificationResult = Certificate | CertificationRejected
