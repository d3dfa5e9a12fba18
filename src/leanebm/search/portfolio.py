"""Two orders that take turns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from leanebm.core import Leaf, Node, StateScorer
from leanebm.search.best_first import BestFirstSearch, require_finite
from leanebm.search.progress import SearchProgress
from leanebm.search.scorers import LengthNormalisedLogProb

_Scores = dict[tuple[str, int, float], float]
"""By the state's key, its depth and the log-probability of its path: all that tells two leaves of one search apart."""


class PortfolioSearch(BestFirstSearch):
    """Best-first search with two queues over the same open nodes: every other expansion takes the best of the other.

    Both share tree and budget, so that it costs as much as either alone. Where one of two orders is far better than the
    other on each theorem, and nobody knows which, it is hard to beat.

    Args:
        other: orders the second queue; the first is the run's scorer's. By default the policy's opinion alone.
        parts: as of :class:`BestFirstSearch`.
    """

    def __init__(self, *, other: StateScorer | None = None, **parts: Any) -> None:
        super().__init__(**parts)
        self.other: StateScorer = LengthNormalisedLogProb() if other is None else other
        self._scores: WeakKeyDictionary[SearchProgress, _Scores] = WeakKeyDictionary()

    async def priority(self, progress: SearchProgress, leaves: Sequence[Leaf]) -> Sequence[float]:
        """What the run's scorer says; what the other says is noted for its turn."""
        scores = await self.other.score(leaves)
        require_finite(scores, len(leaves), self.other, "number per leaf")
        self._scores.setdefault(progress, {}).update(zip(map(_place, leaves), scores, strict=True))
        return await super().priority(progress, leaves)

    def select(self, progress: SearchProgress) -> Node:
        """The best node of the queue whose turn it is; of equal ones, the one that the first queue prefers."""
        if progress.meter.expansions % 2 == 0:
            return super().select(progress)
        scores = self._scores[progress]
        # A path that changed twice within one expansion was never scored as it is now: it waits for the first queue.
        best = max(progress.frontier, key=lambda node: scores.get(_place(node.leaf(progress.theorem)), -math.inf))
        return progress.frontier.take(best)


def _place(leaf: Leaf) -> tuple[str, int, float]:
    return leaf.state.key, leaf.depth, leaf.path_log_prob
