"""What certification says of a whole file."""

from __future__ import annotations

import attrs

from leanebm._shown import fitting_repr
from leanebm.core.certificate import Certificate, CertificationResult


@attrs.frozen(kw_only=True)
class FileVerdict:
    """What certification says of a theorem where it stands."""

    name: str
    """Its full name."""

    start: int
    """Where it begins, in bytes of the text."""

    sorries: int
    """How many ``sorry`` stand in its text."""

    unproved: tuple[str, ...]
    """Declarations of the file that it rests on, itself included, and that use ``sorry`` themselves."""

    result: CertificationResult

    __repr__ = fitting_repr

    @property
    def is_certified(self) -> bool:
        """Whether the theorem is proved, and so is all of its file that it rests on."""
        return isinstance(self.result, Certificate)


@attrs.frozen(kw_only=True)
class CertifiedFile:
    """What certification says of a file that Lean takes."""

    commands: tuple[tuple[int, int], ...]
    """Where each command begins and ends, in bytes of the text."""

    theorems: tuple[FileVerdict, ...]
    """In the order of the text."""

    __repr__ = fitting_repr
