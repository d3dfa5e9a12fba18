"""How long a state is: what a head could rank by without having understood anything."""

from __future__ import annotations

import re
from typing import Final

import attrs

__all__ = ["StateShape"]

_TURNSTILE: Final = re.compile(r"^⊢", re.MULTILINE)
_LOCAL_CONTEXT: Final = re.compile(r"^(?!⊢|\s)([^:\n]+?) :", re.MULTILINE)


@attrs.frozen
class StateShape:
    """The outward size of a printed state."""

    characters: int
    goals: int
    """How many goals are open: one turnstile each."""

    hypotheses: int
    """Local names over all goals; ``a b : Nat`` counts two."""

    @classmethod
    def of(cls, text: str) -> StateShape:
        """Measure a state as Lean prints it."""
        names = sum(len(found.split()) for found in _LOCAL_CONTEXT.findall(text))
        return cls(characters=len(text), goals=len(_TURNSTILE.findall(text)), hypotheses=names)

    @property
    def features(self) -> tuple[float, float, float]:
        """As numbers, in the order of the fields."""
        return float(self.characters), float(self.goals), float(self.hypotheses)
