"""Search that runs first what is likely to succeed soon."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import attrs

from leanebm.core import Candidate, Edge, Node, TacticFate
from leanebm.search._per_search import PerSearch
from leanebm.search.best_first import BestFirstSearch
from leanebm.search.distinct_heads import head_of
from leanebm.search.progress import SearchProgress

_PRIOR_S: Final = 0.02
"""Seconds of the one call that every head is taken to have had: what a tactic takes here, typically."""


class CheapFirstSearch(BestFirstSearch):
    r"""Best-first search that runs a state's candidates by successes to be hoped for in a second, not by probability.

    A candidate of probability ``p`` whose head (first word) was run ``n`` times for this theorem, went through ``k``
    times and took ``s`` seconds in all, comes where ``p · (k + 1) / (n + 2) · (n + 1) / (s + 0.02)`` puts it: its
    probability, times how often such a tactic goes through (Laplace's rule), over what it takes.

    All candidates are run, unless one ends the proof or the budget ends first. So with a budget of expansions this
    proves what best-first search proves, but for ties and equal states; what it can save is tactic calls and seconds.
    Its order depends on measured times, so no two runs need be alike.
    """

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._records = PerSearch[defaultdict[str, _Record]](lambda _: defaultdict(_Record))

    async def expand(self, progress: SearchProgress, node: Node) -> Sequence[Candidate]:
        """The policy's candidates, the most promising for their cost first."""
        candidates = list(await super().expand(progress, node))[: self.config.candidates_per_state]
        records = self._records.of(progress)
        return sorted(candidates, key=lambda each: -math.exp(each.log_prob) * records[head_of(each.tactic)].rate)

    async def _take(self, progress: SearchProgress, edge: Edge) -> None:
        self._records.of(progress)[head_of(edge.tactic)].add(edge)
        await super()._take(progress, edge)


@attrs.define
class _Record:
    """How tactics of one head have fared."""

    runs: int = 0
    successes: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return (self.successes + 1) / (self.runs + 2) * (self.runs + 1) / (self.seconds + _PRIOR_S)

    def add(self, edge: Edge) -> None:
        self.runs += 1
        self.successes += edge.kind in (TacticFate.ADVANCED, TacticFate.FINISHED)
        self.seconds += edge.elapsed_s
