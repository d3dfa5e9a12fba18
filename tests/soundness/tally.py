"""Counts attacks, so that a run of this suite ends with a line that says how they went."""

from __future__ import annotations

from collections import Counter

import attrs


@attrs.define
class Tally:
    """What became of the attacks and of the honest proofs."""

    rejected: Counter[str] = attrs.field(factory=Counter)
    """Attacks by the word for why they were rejected."""

    accepted: list[str] = attrs.field(factory=list)
    """Attacks that got their certificate. There must be none."""

    proved: int = 0
    """Honest proofs that were accepted."""

    refused: list[str] = attrs.field(factory=list)
    """Honest proofs that were not."""

    def attack(self, name: str, outcome: str | None) -> None:
        """Count an attack: the reason it was rejected for, or ``None`` if it was accepted."""
        if outcome is None:
            self.accepted.append(name)
        else:
            self.rejected[outcome] += 1

    def control(self, name: str, *, is_proved: bool) -> None:
        """Count an honest proof."""
        if is_proved:
            self.proved += 1
        else:
            self.refused.append(name)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was tried."""
        return not (self.rejected or self.accepted or self.proved or self.refused)

    def lines(self) -> list[str]:
        """The summary."""
        rejected = self.rejected.total()
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.rejected.items()))
        tried, honest = rejected + len(self.accepted), self.proved + len(self.refused)
        lines = []
        if tried:
            lines += [f"attacks tried {tried}, rejected {rejected} ({reasons}), accepted {len(self.accepted)}"]
        if honest:
            lines += [f"honest proofs tried {honest}, accepted {self.proved}"]
        return lines + [f"ACCEPTED: {name}" for name in self.accepted] + [f"REFUSED: {name}" for name in self.refused]
