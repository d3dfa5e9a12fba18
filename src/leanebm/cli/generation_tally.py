"""What a display shows of proofs being replayed: counts kept up to date from a run's events."""

from __future__ import annotations

from collections import Counter

import attrs

from leanebm.core import Evidence
from leanebm.pipeline import GenerationStarted, PipelineEvent, ProofReplayed

__all__ = ["GenerationTally"]


@attrs.define(kw_only=True)
class GenerationTally:
    """A run that makes contrastive groups in numbers, at this moment."""

    total: int = 0
    outcomes: Counter[str] = attrs.field(factory=Counter)
    groups: int = 0
    evidence: Counter[Evidence] = attrs.field(factory=Counter)
    fates: Counter[str] = attrs.field(factory=Counter)

    def take(self, event: PipelineEvent) -> None:
        """Count what ``event`` tells."""
        match event:
            case GenerationStarted(total=total):
                self.total = total
            case ProofReplayed(record=record, groups=groups):
                self.outcomes[record.outcome] += 1
                self.groups += len(groups)
                self.fates.update(record.fates)
                self.evidence.update(negative.evidence for group in groups for negative in group.negatives)
            case _:
                pass

    @property
    def done(self) -> int:
        """Proofs that need no more replaying in this run."""
        return self.outcomes.total()

    @property
    def lost(self) -> int:
        """Proofs of which nothing is known, because something broke."""
        return self.outcomes["infrastructure"]

    @property
    def verified(self) -> int:
        """Proofs that were replayed to their certified end."""
        return self.outcomes["verified"]

    @property
    def lines(self) -> list[str]:
        """The counts, for a person."""
        failed = self.done - self.verified - self.lost
        broken = f" · lost {self.lost}" if self.lost else ""
        provable = self.fates["closed"] + self.fates["provable"]
        replays = f"verified {self.verified} · failed {failed}{broken}    {self.groups:,} groups"
        negatives = f"{self.evidence.total():,} negatives ({self.evidence[Evidence.DEAD]:,} dead)"
        return [f"{replays} · {negatives} · {provable:,} dropped as provable"]
