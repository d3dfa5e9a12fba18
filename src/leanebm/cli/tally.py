"""What a display shows: counts kept up to date from a run's events."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import attrs

from leanebm.core import Certificate
from leanebm.pipeline import PipelineEvent, RunStarted, SearchAdvanced, TheoremFinished, TheoremRefused
from leanebm.search import SearchOutcome

__all__ = ["RunTally"]


@attrs.define(kw_only=True)
class RunTally:
    """A run in numbers, at this moment."""

    clock: Callable[[], float] = time.monotonic
    total: int = 0
    skipped: int = 0
    outcomes: Counter[SearchOutcome] = attrs.field(factory=Counter)
    refused: int = 0
    newest_proof: Certificate | None = None
    _started_s: float | None = None
    _finished_nodes: int = 0
    _finished_calls: int = 0
    _running: dict[str, SearchAdvanced] = attrs.field(factory=dict)

    def take(self, event: PipelineEvent) -> None:
        """Count what ``event`` tells."""
        match event:
            case RunStarted(total=total, skipped=skipped):
                self.total, self.skipped, self._started_s = total, skipped, self.clock()
            case SearchAdvanced(theorem=theorem):
                self._running[theorem.name] = event
            case TheoremRefused(theorem=theorem):
                self._running.pop(theorem.name, None)
                self.refused += 1
            case TheoremFinished(result=result):
                self._running.pop(result.theorem.name, None)
                self.outcomes[result.outcome] += 1
                self._finished_nodes += result.statistics.nodes
                self._finished_calls += result.statistics.tactic_calls
                self.newest_proof = result.certificate or self.newest_proof
            case _:
                pass

    @property
    def done(self) -> int:
        """Theorems that need no more searching in this run."""
        return self.outcomes.total() + self.refused

    @property
    def proved(self) -> int:
        """Theorems with a certified proof."""
        return self.outcomes[SearchOutcome.PROVED]

    @property
    def lost(self) -> int:
        """Theorems of which nothing is known, because something broke."""
        return self.outcomes[SearchOutcome.INFRASTRUCTURE]

    @property
    def not_proved(self) -> int:
        """Theorems whose search ended without a proof."""
        return self.outcomes.total() - self.proved - self.lost

    @property
    def nodes(self) -> int:
        """Proof states found."""
        return self._finished_nodes + sum(event.nodes for event in self._running.values())

    @property
    def tactic_calls(self) -> int:
        """Tactics run."""
        return self._finished_calls + sum(event.tactic_calls for event in self._running.values())

    @property
    def calls_per_s(self) -> float:
        """Tactics run a second, on average since searching began."""
        elapsed_s = self.clock() - self._started_s if self._started_s is not None else 0.0
        return self.tactic_calls / elapsed_s if elapsed_s > 0.0 else 0.0
