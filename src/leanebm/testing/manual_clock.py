"""A clock that moves only when a test moves it."""

from __future__ import annotations

import attrs
from attrs.validators import ge

__all__ = ["ManualClock"]


@attrs.define
class ManualClock:
    """Call it to read it, :meth:`advance` it to let time pass; so tests about time need not wait."""

    now_s: float = 0.0
    step_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Seconds that pass at each reading, after it."""

    def __call__(self) -> float:
        """Seconds since the clock was made."""
        reading = self.now_s
        self.now_s += self.step_s
        return reading

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        if seconds < 0:
            raise ValueError(f"a clock does not go back by {-seconds} seconds")
        self.now_s += seconds
