"""Search that puts off paths that make no progress."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from leanebm.core import Node
from leanebm.search.best_first import BestFirstSearch
from leanebm.search.distinct_heads import head_of
from leanebm.search.progress import SearchProgress


class LimitsSearch(BestFirstSearch):
    """Best-first search that puts off states whose last tactics changed only hypotheses, or only added some.

    A state beyond a limit is expanded when no other one is left: nothing is lost for good.

    Args:
        unchanged: tactics in a row that may leave the first goal's target as it was, at least 0.
        haves: tactics in a row that may begin with ``have``, at least 0.
        parts: as of :class:`BestFirstSearch`.

    Raises:
        ValueError: a limit is negative.
    """

    def __init__(self, *, unchanged: int = 3, haves: int = 2, **parts: Any) -> None:
        super().__init__(**parts)
        if min(unchanged, haves) < 0:
            raise ValueError(f"limits are at least 0: unchanged is {unchanged}, haves {haves}")
        self.unchanged = unchanged
        self.haves = haves

    def select(self, progress: SearchProgress) -> Node:
        """The best node within the limits, or else the best of all."""
        # The frontier runs from its best node to its worst.
        within = next((node for node in progress.frontier if not self._is_beyond(node)), None)
        return progress.frontier.pop() if within is None else progress.frontier.take(within)

    def _is_beyond(self, node: Node) -> bool:
        haves = takewhile(lambda step: head_of(step.tactic or "") == "have", _steps(node))
        unchanged = takewhile(_kept_its_target, _steps(node))
        return sum(1 for _ in haves) > self.haves or sum(1 for _ in unchanged) > self.unchanged


def _steps(node: Node) -> Iterator[Node]:
    """The nodes of the path that a tactic led to, the last first."""
    return (each for each in node.lineage if each.parent is not None)


def _kept_its_target(node: Node) -> bool:
    if node.parent is None or len(node.state.goals) != len(node.parent.state.goals):
        return False
    return node.state.goals[0].target == node.parent.state.goals[node.goal].target
