"""Monte-Carlo tree search: the policy proposes where to look, values say where it went well."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import defaultdict
from typing import Any

import attrs

from leanebm.core import Node, NodeStatus
from leanebm.search._per_search import PerSearch
from leanebm.search.best_first import BestFirstSearch
from leanebm.search.frontier import Frontier
from leanebm.search.progress import Expansion, SearchProgress
from leanebm.search.tree import Rival, SearchTree


class PuctSearch(BestFirstSearch):
    r"""Monte-Carlo tree search by PUCT: down from the root, each time to the child of the largest number.

    At a node ``s`` a child ``t`` has the number

    .. math:: Q(t) + c \cdot P(t) \cdot \frac{\sqrt{N(s)}}{1 + N(t)}

    - ``N``: expansions at a node or below it, so that one expansion is one simulation;
    - ``P``: the probability of the tactic that leads to ``t``, as a share of those of its siblings;
    - ``Q``: the mean value of what was expanded at ``t`` and below it, and before that the value of ``t``. The value of
      a state is what the run's scorer says of it: with ``--scorer negative_energy`` its energy, lower being better.
      Values are scaled to between 0 and 1 by the smallest and the largest of the tree. A dead end is worth 0.

    Nothing is played to its end, and Lean is not an opponent, so this differs from best-first search in one thing: the
    number of visits pulls the search away from where it has been. Children with nothing open below them are left out.

    The rule is AlphaZero's (Silver et al., 2017, https://arxiv.org/abs/1712.01815), the scaling MuZero's (Schrittwieser
    et al., 2020, https://arxiv.org/abs/1911.08265, appendix B), as is the default of ``c``.

    Args:
        c: how much priors and few visits count beside values: finite, at least 0.
        parts: as of :class:`BestFirstSearch`.

    Raises:
        ValueError: ``c`` is below 0, or not finite.
    """

    def __init__(self, *, c: float = 1.25, **parts: Any) -> None:
        super().__init__(**parts)
        if not 0 <= c < math.inf:
            raise ValueError(f"c weighs exploration, so it is finite and at least 0, not {c}")
        self.c = c
        self._branches = PerSearch(lambda progress: _Branches(progress.tree, progress.frontier))

    def select(self, progress: SearchProgress) -> Node:
        """The open node to which the formula leads."""
        branches, node = self._branches.of(progress), progress.tree.root
        while node not in progress.frontier:
            node = branches.best_child(node, self.c)
        return progress.frontier.take(node)

    def _begin(self, progress: SearchProgress, node: Node) -> Expansion:
        expansion = super()._begin(progress, node)
        # The next one may be chosen before this one is done, and whoever took this one need not be select().
        self._branches.of(progress).update(node)
        return expansion

    async def _evaluate(self, progress: SearchProgress, expansion: Expansion) -> None:
        await super()._evaluate(progress, expansion)
        branches = self._branches.of(progress)
        for child in expansion.children:
            branches.sum_up(child)
        for node in dict.fromkeys([expansion.node, *(child.parent for child in expansion.children)]):
            branches.update(node)

    async def _adopt(self, progress: SearchProgress, rival: Rival, score: float) -> None:
        left = rival.node.parent
        await super()._adopt(progress, rival, score)
        branches = self._branches.of(progress)
        for node in reversed(list(progress.tree.subtree(rival.node))):  # children before their parents
            branches.sum_up(node)
        branches.update(rival.node.parent)
        branches.update(left)

    async def _push(self, progress: SearchProgress, node: Node) -> Node | None:
        dropped = await super()._push(progress, node)
        if dropped is not None:
            self._branches.of(progress).update(dropped)
        return dropped


@attrs.define
class _Branch:
    """A node and everything below it, as the formula sees it."""

    visits: int = 0
    living: int = 0
    """Visits that were no dead end."""

    worth: float = 0.0
    """The sum of the priorities of these."""

    is_open: bool = False
    """Whether a node in it waits to be expanded."""


@attrs.define(eq=False)
class _Branches:
    """What the formula needs of a tree. It is brought up to date along the paths on which something changed."""

    _tree: SearchTree
    _frontier: Frontier
    _of: defaultdict[Node, _Branch] = attrs.field(init=False, factory=lambda: defaultdict(_Branch))
    _priorities: dict[Node, float] = attrs.field(init=False, factory=dict)
    _ascending: list[float] = attrs.field(init=False, factory=list)
    """The same, in their order: values are scaled by the first and the last."""

    def best_child(self, node: Node, c: float) -> Node:
        children = [child for child in self._tree.children(node) if self._of[child].is_open]
        likeliest = max(child.log_prob for child in children)
        priors = [math.exp(child.log_prob - likeliest) for child in children]
        explored = c * math.sqrt(self._of[node].visits) / sum(priors)
        worth = [
            self._mean(child) + explored * prior / (1 + self._of[child].visits)
            for child, prior in zip(children, priors, strict=True)
        ]
        return children[worth.index(max(worth))]

    def _mean(self, node: Node) -> float:
        lowest, span, branch = self._ascending[0], self._ascending[-1] - self._ascending[0], self._of[node]
        if not span:
            return 0.0
        if branch.visits:
            return (branch.worth - branch.living * lowest) / span / branch.visits
        return (self._priorities[node] - lowest) / span if node in self._priorities else 0.0

    def update(self, node: Node | None) -> None:
        """Sum up ``node`` and everything above it."""
        while node is not None:
            self.sum_up(node)
            node = node.parent

    def sum_up(self, node: Node) -> None:
        """Make a branch of a node and of the branches below it."""
        below = [self._of[child] for child in self._tree.children(node)]
        is_expanded = node.expansion is not None
        is_living = is_expanded and node.priority is not None and node.status is not NodeStatus.DEAD
        self._of[node] = _Branch(
            visits=sum(branch.visits for branch in below) + is_expanded,
            living=sum(branch.living for branch in below) + is_living,
            worth=sum(branch.worth for branch in below) + ((node.priority or 0.0) if is_living else 0.0),
            is_open=node in self._frontier or any(branch.is_open for branch in below),
        )
        if node.priority is not None and self._priorities.get(node) != node.priority:
            if node in self._priorities:
                del self._ascending[bisect_left(self._ascending, self._priorities[node])]
            self._priorities[node] = node.priority
            insort(self._ascending, node.priority)
