"""The search tree: one node a state, each hanging from the best path that is known to lead to it.

Theory of operation. Proof states form a graph with cycles (``symm`` twice is where one began), and
equal states are reached along different paths. The tree holds one node for each
:attr:`ProofState.key <leanebm.core.ProofState.key>`. When a second path reaches a known state, it is
a *rival*: nothing is added, and if the scorer prefers the rival, the node is hung below the rival's
parent. Everything below the node moves with it: depths and path log-probabilities are recomputed,
because they are part of those nodes' own paths.

Why there is never a cycle: a path that leads back to one of its own ancestors is not a rival at all
(:meth:`SearchTree.known` tells, :meth:`SearchTree.move` refuses), and hanging a node below
a node outside its own subtree keeps a tree a tree.

Finished states have no goals and so would all be equal; they are never merged.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Self

import attrs

from leanebm.core import Candidate, Leaf, ProofState, Theorem

__all__ = ["Edge", "EdgeKind", "Node", "NodeStatus", "Rival", "SearchTree"]


class EdgeKind(enum.Enum):
    """Where a tactic led."""

    ADVANCED = "advanced"
    """To a state that the search had not seen: a new node."""

    MERGED = "merged"
    """To a state that the search already knew by another path."""

    CYCLIC = "cyclic"
    """Back to the state itself or to one above it; no proof needs such a step."""

    FINISHED = "finished"
    """To no goals: a candidate proof."""

    REJECTED = "rejected"
    """Nowhere: Lean refused the tactic."""

    TIMED_OUT = "timed_out"
    """Nowhere that we know of: the tactic ran into a limit inside Lean."""


@attrs.frozen(kw_only=True)
class Edge:
    """One tactic call: an observation, never changed afterwards, also when paths are."""

    tactic: str
    log_prob: float
    """Natural logarithm of the tactic's probability under the policy."""

    kind: EdgeKind
    target: int | None = None
    """Index of the node it led to; ``None`` if it led nowhere."""

    message: str = ""
    """Lean's own words, where it refused or gave up."""

    elapsed_s: float
    """Seconds that Lean took."""


class NodeStatus(enum.Enum):
    """How far the search has come with a node."""

    OPEN = "open"
    """It waits to be expanded, or the run ended before it could be scored."""

    PARTIAL = "partial"
    """Its expansion began and the run ended in the middle of it."""

    EXPANDED = "expanded"
    """Every candidate was run, and at least one led to a state."""

    DEAD = "dead"
    """Every candidate was run, and each was refused or timed out (or the policy had none)."""

    UNEXPANDABLE = "unexpandable"
    """Its prompt does not fit the policy's context, so nothing is known of what follows."""

    PRUNED = "pruned"
    """A bounded frontier dropped it."""

    FINISHED = "finished"
    """No goal is left, and the certifier has not answered."""

    PROVED = "proved"
    """No goal is left, and the path to it is certified."""

    REJECTED = "rejected"
    """No goal is left, and the certifier did not accept the path to it."""


@attrs.define(kw_only=True, eq=False)
class Node:
    """A state of the search tree. Only :class:`~leanebm.search.SearchTree` changes where it hangs.

    Invariants, for every node but the root: ``depth == parent.depth + 1`` and
    ``path_log_prob == parent.path_log_prob + log_prob``. Following ``parent`` always ends at the root.
    """

    index: int
    """Position in the order of discovery; the root is 0."""

    state: ProofState
    """The state as it was first met. Once the node is expanded the environment has forgotten it."""

    parent: Node | None = attrs.field(default=None, repr=False)
    """The node before the last step of the best known path; ``None`` for the root."""

    tactic: str | None = None
    """The last step of the best known path; ``None`` for the root."""

    log_prob: float = 0.0
    """Natural logarithm of that step's probability; 0 for the root."""

    path_log_prob: float = 0.0
    """Sum of ``log_prob`` from the root to here."""

    depth: int = 0
    """Number of tactics from the root."""

    priority: float | None = None
    """What the scorer said of the best known path; higher is sooner.

    ``None`` for a finished state, which is never scored, and for the children of an expansion
    that the end of the run cut short.
    """

    energy: float | None = None
    """What the search's energy model said of the state, lower is more provable.

    It belongs to the state, not to the path, so it stays when a better path is found. ``None`` if the
    search has no energy model, and wherever ``priority`` is ``None`` for want of an evaluation.
    """

    status: NodeStatus = NodeStatus.OPEN
    expansion: int | None = None
    """Position in the order of expansion; ``None`` if its expansion never began."""

    found_s: float = 0.0
    """Seconds from the start of the search to the node's discovery."""

    tactic_s: float = 0.0
    """Seconds that Lean took for the step by which the node was discovered."""

    edges: list[Edge] = attrs.field(factory=list, repr=False)
    """Everything that was tried here, in order."""

    @property
    def is_terminal(self) -> bool:
        """Whether no goal is left here."""
        return self.state.is_solved

    @property
    def lineage(self) -> Iterator[Node]:
        """This node, its parent, and so on up to the root."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent

    @property
    def tactics(self) -> tuple[str, ...]:
        """The steps of the best known path, the first one first."""
        return tuple(node.tactic for node in self.lineage if node.tactic is not None)[::-1]

    def leaf(self, theorem: Theorem) -> Leaf:
        """The node as a scorer sees it."""
        return Leaf(
            theorem=theorem,
            state=self.state,
            path_log_prob=self.path_log_prob,
            depth=self.depth,
            energy=self.energy,
        )


@attrs.frozen
class Rival:
    """Another path to a node that is already in the tree."""

    node: Node
    """The node both paths lead to."""

    parent: Node
    candidate: Candidate
    """The step from ``parent`` to ``node``."""

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

    def known(self, state: ProofState) -> Node | None:
        """The node that holds a state equal to ``state``, if there is one."""
        return self._by_key.get(state.key)

    def grow(self, parent: Node, candidate: Candidate, state: ProofState, *, found_s: float, tactic_s: float) -> Node:
        """Hang a new state below ``parent``."""
        node = Node(
            index=len(self.nodes),
            state=state,
            parent=parent,
            tactic=candidate.tactic,
            log_prob=candidate.log_prob,
            path_log_prob=parent.path_log_prob + candidate.log_prob,
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
        node.parent, node.tactic, node.log_prob = parent, rival.candidate.tactic, rival.candidate.log_prob
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
