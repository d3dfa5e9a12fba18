"""Search level by level, and only the best of each level."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import attrs

from leanebm.core import Node
from leanebm.search._per_search import PerSearch
from leanebm.search.best_first import BestFirstSearch
from leanebm.search.frontier import Frontier
from leanebm.search.progress import SearchProgress
from leanebm.search.tree import Rival


class BeamSearch(BestFirstSearch):
    """Beam search: of the states at each depth the ``width`` best are expanded, then the search goes one deeper.

    A beam that has died out, or whose states are all expanded, starts again from the top with the next best ``width``
    of each depth, until the budget is spent: what it passed over is put off and not lost. (W. Zhang, *Complete anytime
    beam search*, AAAI 1998, doubles the width instead of going on from where it was.)

    Args:
        width: states of one depth that are expanded before deeper ones, at least 1. 1 climbs to the best child, and
            begins anew at dead ends.
        parts: as of :class:`BestFirstSearch`.

    Raises:
        ValueError: ``width`` is below 1.
    """

    def __init__(self, *, width: int = 4, **parts: Any) -> None:
        super().__init__(**parts)
        if width < 1:
            raise ValueError(f"a beam is at least 1 wide, not {width}")
        self.width = width
        self._levels = PerSearch(lambda _: _Levels())

    def select(self, progress: SearchProgress) -> Node:
        """The best node of the shallowest depth at which this round has places left."""
        levels = self._levels.of(progress)
        while (node := levels.take(self.width)) not in progress.frontier:
            pass  # a search around this one took it
        return progress.frontier.take(node)

    async def _push(self, progress: SearchProgress, node: Node) -> Node | None:
        levels = self._levels.of(progress)
        levels.push(node)
        dropped = await super()._push(progress, node)
        if dropped is not None:
            levels.drop(dropped)
        return dropped

    async def _adopt(self, progress: SearchProgress, rival: Rival, score: float) -> None:
        await super()._adopt(progress, rival, score)
        self._levels.of(progress).recount(progress.tree.subtree(rival.node))


@attrs.define(eq=False)
class _Levels:
    """A tree's nodes by their depth: those that are open, and how many were taken."""

    _open: defaultdict[int, Frontier] = attrs.field(init=False, factory=lambda: defaultdict(Frontier))
    _taken: Counter[int] = attrs.field(init=False, factory=Counter)
    _depths: dict[Node, int] = attrs.field(init=False, factory=dict)
    """At which depth each node is open, or counted as taken."""

    def push(self, node: Node) -> None:
        if node in self._depths:
            self.drop(node)
        self._depths[node] = node.depth
        self._open[node.depth].push(node)

    def drop(self, node: Node) -> None:
        self._open[self._depths.pop(node)].take(node)

    def take(self, width: int) -> Node:
        depths = (depth for depth, level in self._open.items() if len(level))
        depth = min(depths, key=lambda depth: (self._taken[depth] // width, depth))
        self._taken[depth] += 1
        return self._open[depth].pop()

    def recount(self, moved: Iterable[Node]) -> None:
        """Nodes that were taken count where they are now."""
        for node in moved:
            if node in self._depths and node.expansion is not None:
                self._taken[self._depths[node]] -= 1
                self._taken[node.depth] += 1
                self._depths[node] = node.depth
