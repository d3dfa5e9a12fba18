"""Search depth first with backtracking, running one tactic at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from leanebm.core import Candidate, Node, NodeStatus, TacticFate
from leanebm.search.best_first import BestFirstSearch
from leanebm.search.progress import Expansion, SearchProgress
from leanebm.search.tree import Rival


class DepthFirstSearch(BestFirstSearch):
    """Follow the likeliest tactic that works, and turn back where none does, as agents do that write proofs by steps.

    A state's other tactics are not run until the search comes back to it, so a deep proof whose tactics are likely
    costs few of them. What was tried in vain stays tried, and a state that was followed along another path is not
    followed again; one that was too deep for it is, where it is met at a smaller depth. When no more may be expanded,
    the tactics that wait on the way back are still run.

    Scores and energies are written down, and change nothing. The order is COPRA's (Thakur et al., 2024,
    https://arxiv.org/abs/2310.04353), whose bounds are on depth and on attempts, too.

    Args:
        max_depth: tactics of the longest path that is followed, at least 1.
        max_children: states that are followed from one, at least 1; beyond it the search turns back.
        parts: as of :class:`BestFirstSearch`.

    Raises:
        ValueError: a bound is below 1.
    """

    def __init__(self, *, max_depth: int = 16, max_children: int = 4, **parts: Any) -> None:
        super().__init__(**parts)
        if min(max_depth, max_children) < 1:
            raise ValueError(f"both bounds are at least 1: max_depth is {max_depth}, max_children {max_children}")
        self.max_depth = max_depth
        self.max_children = max_children

    async def _search(self, progress: SearchProgress) -> None:
        await self._plant(progress)
        trail = [await self._enter(progress, self._select(progress))] if progress.may_expand else []
        while trail and progress.certificate is None and progress.meter.allows_tactic:
            visit = trail[-1]
            candidate = next(visit.untried, None) if len(visit.expansion.children) < self.max_children else None
            if candidate is None:
                await self._leave(progress, trail.pop())
                continue
            edge = await self._run_tactic(progress, visit.expansion, candidate)
            if edge.kind is TacticFate.ADVANCED:
                child = visit.expansion.children[-1]
                await self._weigh(progress, [child])
            elif edge.kind is TacticFate.MERGED and self._is_nearer(rival := visit.expansion.rivals[-1]):
                child, *_ = progress.tree.move(rival)
                visit.expansion.children.append(child)
            else:
                continue
            [child.priority] = await self._score(progress, [child.leaf(progress.theorem)])
            if child.depth < self.max_depth and progress.meter.allows_expansion:
                trail.append(await self._enter(progress, child))

    def _is_nearer(self, rival: Rival) -> bool:
        """Whether a state that was left alone for its depth was met again where it may be followed."""
        return rival.node.status is NodeStatus.OPEN and rival.parent.depth + 1 < self.max_depth <= rival.node.depth

    async def _enter(self, progress: SearchProgress, node: Node) -> _Visit:
        expansion = self._begin(progress, node)
        candidates = await self._ask(progress, expansion, node)
        return _Visit(expansion, candidates is not None, iter(candidates or ()))

    async def _leave(self, progress: SearchProgress, visit: _Visit) -> None:
        """Turn back. A state with tactics untried stays partial, which makes the search no exhausted one."""
        if visit.was_asked and next(visit.untried, None) is None:
            visit.expansion.close()
        await progress.free([*visit.expansion.spent_states, visit.expansion.node.state])


@attrs.define
class _Visit:
    """A state on the way from the root to where the search is."""

    expansion: Expansion
    was_asked: bool
    untried: Iterator[Candidate]
