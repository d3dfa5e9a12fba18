"""What became of each ``sorry`` of a file."""

from __future__ import annotations

from pathlib import Path

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import Certificate, CertificationRejected, CertificationResult


@attrs.frozen(kw_only=True)
class SorryReport:
    """What became of one ``sorry``."""

    line: int
    """Where it stands in the file as it was, from 1."""

    column: int
    proof: str | None = None
    """The text that was written in its place; ``None`` if it stays."""

    reason: str = ""
    """Why it stays."""

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class FilledTheorem:
    """What became of a theorem that held one or more."""

    name: str
    line: int
    """Where it begins in the file as it was, from 1."""

    sorries: tuple[SorryReport, ...]
    result: CertificationResult
    """The verdict on it within the file with everything filled."""

    unproved: tuple[str, ...] = ()
    """Other declarations of the file that it rests on and that hold a ``sorry`` themselves."""

    __repr__ = fitting_repr

    @property
    def is_certified(self) -> bool:
        """Whether it is proved now."""
        return isinstance(self.result, Certificate)

    @property
    def statement(self) -> str:
        """What it says, as Lean prints it."""
        return self.result.theorem.display

    @property
    def shortfall(self) -> str:
        """Why it is not certified, in words; empty if it is."""
        if not isinstance(self.result, CertificationRejected):
            return ""
        left = sum(sorry.proof is None for sorry in self.sorries)
        if left:
            return f"{left} {'sorry' if left == 1 else 'sorries'} left"
        if self.result.reason == "sorry" and self.unproved:
            return (
                f"it rests on {', '.join(self.unproved)}, which {'has' if len(self.unproved) == 1 else 'have'} a sorry"
            )
        return f"{self.result.reason}: {self.result.message}"


@attrs.frozen(kw_only=True)
class FillReport:
    """What became of a file."""

    path: Path = attrs.field(converter=Path)
    output: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    """The file that was written; ``None`` if nothing was filled."""

    theorems: tuple[FilledTheorem, ...] = ()
    """Those that held a ``sorry``, in the order of the file."""

    others: tuple[SorryReport, ...] = ()
    """Each ``sorry`` that stands in no theorem."""

    content: bytes | None = attrs.field(default=None, repr=False)
    """The file with everything filled; ``None`` if nothing was."""

    __repr__ = fitting_repr

    @property
    def sorries(self) -> tuple[SorryReport, ...]:
        """All of them."""
        return (*(sorry for theorem in self.theorems for sorry in theorem.sorries), *self.others)

    @property
    def num_filled(self) -> int:
        """How many have a proof in their place."""
        return sum(sorry.proof is not None for sorry in self.sorries)

    @property
    def is_complete(self) -> bool:
        """Whether every ``sorry`` is filled and every theorem that held one is certified."""
        return self.num_filled == len(self.sorries) and all(theorem.is_certified for theorem in self.theorems)
