"""The search tree: one node per state, each hanging from the best path that is known to lead to it.

Theory of operation. Proof states form a graph with cycles (``symm`` twice is where one began), and
equal states are reached along different paths. The tree holds one node for each
:attr:`ProofState.key <leanebm.core.ProofState.key>`. When a second path reaches a known state, it is
a *rival*: nothing is added, and if the scorer prefers the rival, the node is hung below the rival's
parent. Everything below the node moves with it: depths and path log-probabilities are recomputed,
because they are part of those nodes' own paths.

Why there is never a cycle: a path that leads back to one of its own ancestors is not a rival at all
(:meth:`SearchTree.known` finds the ancestor, :meth:`SearchTree.move` refuses it), and hanging a node below
a node outside its own subtree keeps a tree a tree.

Finished states have no goals and so would all be equal; they are never merged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import Candidate, Leaf, Node, NodeStatus, ProofState, Theorem


@attrs.frozen(eq=False)
class Rival:
    """Another path to a node that is already in the tree. Like its nodes, it is equal to itself alone."""

    node: Node
    """The node both paths lead to."""

    parent: Node
    candidate: Candidate
    """The step from ``parent`` to ``node``."""

    goal: int = 0
    """Which of the parent's goals the step runs on, counted from 0."""

    __repr__ = fitting_repr

    def leaf(self, theorem: Theorem) -> Leaf:
        """The node as a scorer would see it along this path.

        The state is the node's own, so that two paths are compared and not two spellings of a state.
        """
        return Leaf(
            theorem=theorem,
            state=self.node.state,
            path_log_prob=self.parent.path_log_prob + self.candidate.log_prob,
            depth=self.parent.depth + 1,
            energy=self.node.energy,
        )


@attrs.define(eq=False)
class SearchTree:
    """All nodes of one search, in order of discovery."""

    nodes: list[Node] = attrs.field(init=False, factory=list)
    # Not in the nodes: with references both ways, a tree that is done with would wait for the garbage collector.
    _children: dict[Node, list[Node]] = attrs.field(init=False, factory=dict)
    _by_key: dict[str, Node] = attrs.field(init=False, factory=dict)

    __repr__ = fitting_repr

    @classmethod
    def planted(cls, state: ProofState) -> Self:
        """A tree that holds only its root."""
        tree = cls()
        tree._add(Node(index=0, state=state))
        return tree

    @property
    def root(self) -> Node:
        """The state before any tactic."""
        return self.nodes[0]

    def children(self, node: Node) -> tuple[Node, ...]:
        """The nodes that hang directly below ``node``; which they are changes as better paths are found."""
        return tuple(self._children[node])

    def path(self, node: Node) -> tuple[Node, ...]:
        """The best known path to ``node``: the root first, ``node`` last."""
        return tuple(node.lineage)[::-1]

    def known(self, state: ProofState) -> Node | None:
        """The node that holds a state equal to ``state``, if there is one."""
        return self._by_key.get(state.key)

    def grow(
        self, parent: Node, candidate: Candidate, state: ProofState, *, goal: int = 0, found_s: float, tactic_s: float
    ) -> Node:
        """Hang a new state below ``parent``, to which ``candidate`` led from that number of its goals."""
        node = Node(
            index=len(self.nodes),
            state=state,
            parent=parent,
            tactic=candidate.tactic,
            goal=goal,
            log_prob=candidate.log_prob,
            path_log_prob=parent.path_log_prob + candidate.log_prob,
            policy_weights=candidate.weights,
            depth=parent.depth + 1,
            found_s=found_s,
            tactic_s=tactic_s,
        )
        self._children[parent].append(node)
        self._add(node)
        return node

    def subtree(self, node: Node) -> Iterator[Node]:
        """``node`` and everything that hangs below it, parents before children."""
        waiting = [node]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(self._children[node]))

    def move(self, rival: Rival) -> tuple[Node, ...]:
        """Hang ``rival.node`` below ``rival.parent``, and take everything below it along.

        Returns:
            The nodes whose path changed: ``rival.node`` first, parents before children.

        Raises:
            ValueError: ``rival.parent`` hangs below ``rival.node``, so its path would become a cycle.
        """
        node, parent = rival.node, rival.parent
        if node in parent.lineage or node.parent is None:
            raise ValueError(f"node {node.index} cannot hang below node {parent.index}, which it leads to")
        self._children[node.parent].remove(node)
        self._children[parent].append(node)
        node.parent, node.goal = parent, rival.goal
        node.tactic, node.log_prob = rival.candidate.tactic, rival.candidate.log_prob
        node.policy_weights = rival.candidate.weights
        moved = tuple(self.subtree(node))
        for below in moved:
            above = below.parent
            if above is not None:
                below.depth = above.depth + 1
                below.path_log_prob = above.path_log_prob + below.log_prob
        return moved

    def _add(self, node: Node) -> None:
        self.nodes.append(node)
        self._children[node] = []
        if node.is_terminal:
            node.status = NodeStatus.FINISHED
        else:
            self._by_key[node.state.key] = node
