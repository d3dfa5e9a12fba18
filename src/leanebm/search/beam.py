"""Search level by level, and only the best of each level."""

from __future__ import annotations

from collections import Counter
from typing import Any

from leanebm.core import Node
from leanebm.search.best_first import BestFirstSearch
from leanebm.search.progress import SearchProgress


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

    def select(self, progress: SearchProgress) -> Node:
        """The best node of the shallowest depth at which this round has places left."""
        taken = Counter(node.depth for node in progress.tree.nodes if node.expansion is not None)
        # The frontier runs from its best node to its worst, and min() keeps to the first of equals.
        best = min(progress.frontier, key=lambda node: (taken[node.depth] // self.width, node.depth))
        return progress.frontier.take(best)
