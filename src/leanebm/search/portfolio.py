"""Two orders that take turns."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

import attrs

from leanebm.core import Leaf, Node, StateScorer
from leanebm.search._per_search import PerSearch
from leanebm.search.answers import scores_of
from leanebm.search.best_first import BestFirstSearch
from leanebm.search.frontier import Frontier
from leanebm.search.progress import SearchProgress
from leanebm.search.scorers import LengthNormalisedLogProb


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
        self._queues = PerSearch(lambda _: _SecondQueue())

    async def priority(self, progress: SearchProgress, leaves: Sequence[Leaf]) -> Sequence[float]:
        """What the run's scorer says; what the other says is noted for its turn."""
        scores = await scores_of(self.other, leaves)
        self._queues.of(progress).scores.update(zip(map(_place, leaves), scores, strict=True))
        return await super().priority(progress, leaves)

    def select(self, progress: SearchProgress) -> Node:
        """The best node of the queue whose turn it is; of equal ones, the one that the first queue prefers."""
        if progress.meter.expansions % 2 == 0:
            return super().select(progress)
        return progress.frontier.take(self._queues.of(progress).best(progress.frontier))

    async def _push(self, progress: SearchProgress, node: Node) -> Node | None:
        self._queues.of(progress).push(node, _place(node))
        return await super()._push(progress, node)


_Place = tuple[str, int, float]
"""A state's key, its depth and the log-probability of its path: all that tells two leaves of one search apart."""


@attrs.define
class _SecondQueue:
    """The frontier's nodes in another order: a heap, which keeps what has left the frontier until its turn comes."""

    scores: dict[_Place, float] = attrs.field(factory=dict)
    """What the other scorer said."""

    _entries: list[tuple[float, float, int, Node]] = attrs.field(factory=list)
    _pushed: dict[Node, int] = attrs.field(factory=dict)
    """When each node was last pushed: a path that changed makes its older entries void."""

    _clock: Iterator[int] = attrs.field(factory=itertools.count)

    def push(self, node: Node, place: _Place) -> None:
        # A path that changed twice within one expansion was never scored as it is now: it waits for the first queue.
        score, first, now = self.scores.get(place, -math.inf), node.priority or 0.0, next(self._clock)
        self._pushed[node] = now
        heappush(self._entries, (-score, -first, now, node))

    def best(self, frontier: Frontier) -> Node:
        while True:
            *_, pushed, node = self._entries[0]
            if node in frontier and self._pushed[node] == pushed:
                return node
            heappop(self._entries)


def _place(at: Leaf | Node) -> _Place:
    return at.state.key, at.depth, at.path_log_prob
