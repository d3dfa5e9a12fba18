"""Monte-Carlo tree search: the policy proposes where to look, values say where it went well."""

from __future__ import annotations

import math
from typing import Any

from leanebm.core import Node, NodeStatus
from leanebm.search.best_first import BestFirstSearch
from leanebm.search.progress import SearchProgress


class PuctSearch(BestFirstSearch):
    r"""Monte-Carlo tree search by PUCT: down from the root, each time to the child of the largest number.

    At a node ``s`` a child ``t`` has the number

    .. math:: Q(t) + c \cdot P(t) \cdot \frac{\sqrt{N(s)}}{1 + N(t)}

    - ``N``: expansions at a node or below it, so that one expansion is one simulation;
    - ``P``: the probability of the tactic that leads to ``t``, as a share of those of its siblings;
    - ``Q``: the mean value of what was expanded at ``t`` and below it, and before that the value of ``t``. The value of
      a state is what the run's scorer says of it: with ``--scorer negative_energy`` its energy, lower being better.
      Values are scaled to between 0 and 1 by the smallest and the largest of the tree. A dead end is worth 0.

    Nothing is played to its end, and Lean is no opponent, so this differs from best-first search in one thing: the
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

    def select(self, progress: SearchProgress) -> Node:
        """The open node to which the formula leads."""
        descent = _Descent(progress, self.c)
        node = progress.tree.root
        while node not in progress.frontier:
            node = descent.best_child(node)
        return progress.frontier.take(node)


class _Descent:
    """What the formula needs of a tree as it is now; visits and values follow from the tree alone."""

    def __init__(self, progress: SearchProgress, c: float) -> None:
        self._tree = progress.tree
        self._c = c
        values = [node.priority for node in self._tree.nodes if node.priority is not None]
        self._lowest, self._span = min(values), max(values) - min(values)
        self._visits: dict[Node, int] = {}
        self._totals: dict[Node, float] = {}
        self._is_open: dict[Node, bool] = {}
        for node in reversed(list(self._tree.subtree(self._tree.root))):  # children before their parents
            below, is_expanded = self._tree.children(node), node.expansion is not None
            self._visits[node] = sum(self._visits[child] for child in below) + is_expanded
            self._totals[node] = sum(self._totals[child] for child in below) + is_expanded * self._value(node)
            self._is_open[node] = node in progress.frontier or any(self._is_open[child] for child in below)

    def best_child(self, node: Node) -> Node:
        children = [child for child in self._tree.children(node) if self._is_open[child]]
        likeliest = max(child.log_prob for child in children)
        priors = [math.exp(child.log_prob - likeliest) for child in children]
        explored = self._c * math.sqrt(self._visits[node]) / sum(priors)
        worth = [
            self._mean(child) + explored * prior / (1 + self._visits[child])
            for child, prior in zip(children, priors, strict=True)
        ]
        return children[worth.index(max(worth))]

    def _mean(self, node: Node) -> float:
        visits = self._visits[node]
        return self._totals[node] / visits if visits else self._value(node)

    def _value(self, node: Node) -> float:
        if node.priority is None or not self._span or node.status is NodeStatus.DEAD:
            return 0.0
        return (node.priority - self._lowest) / self._span
