"""What a check of one proof file found."""

from __future__ import annotations

from pathlib import Path

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import Certificate, CertificationResult
from leanebm.errors import LeanEbmError, what_it_says
from leanebm.lean.files import FileVerdict
from leanebm.pipeline.run_folder import CertificateRecord


@attrs.frozen(kw_only=True)
class ProofFileReport:
    """What became of one proof file; what is wrong with it concerns no other file."""

    path: Path = attrs.field(converter=Path)
    result: CertificationResult | LeanEbmError = attrs.field(eq=what_it_says)
    """The verdict; on a file with several theorems the first rejection, or the last certificate where none is
    rejected. Or why there is no verdict: :class:`~leanebm.errors.ConfigError` where the file or its record cannot be
    read or Lean has not what it imports, :class:`~leanebm.errors.LeanError` where Lean does not start over its imports
    or was lost to it."""

    theorems: tuple[FileVerdict, ...] = ()
    """The verdicts on all theorems of a file that a person wrote; empty for a file of leanebm's own shape."""

    record: CertificateRecord | None = None
    """The record beside it, which the verdict took into account."""

    unconfirmed: tuple[str, ...] = ()
    """What is recorded of a certified file and this Lean can neither confirm nor refute, in words: what another Lean,
    or another leanebm, is said to have found."""

    __repr__ = fitting_repr

    @property
    def is_certified(self) -> bool:
        """Whether the file is a proof, and nothing that is recorded of it is wrong."""
        return isinstance(self.result, Certificate)
