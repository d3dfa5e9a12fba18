"""A search tree's nodes and edges: the record that a search leaves of its way."""

from __future__ import annotations

import enum
from collections.abc import Iterator

import attrs

from leanebm._shown import fitting_repr
from leanebm.core.leaf import Leaf
from leanebm.core.outcome import TacticFate
from leanebm.core.proof_script import ProofStep, tactic_blocks
from leanebm.core.proof_state import ProofState
from leanebm.core.theorem import Theorem


class NodeStatus(enum.StrEnum):
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


@attrs.frozen(kw_only=True)
class Edge:
    """One tactic call: an observation, never changed afterwards, even when paths change."""

    tactic: str
    log_prob: float
    """Natural logarithm of the tactic's probability under the policy."""

    goal: int = 0
    """Which of the node's goals it ran on, counted from 0."""

    kind: TacticFate
    target: int | None = None
    """Index of the node it led to; ``None`` if it led nowhere."""

    message: str = ""
    """Lean's own words, where it refused or gave up."""

    elapsed_s: float
    """Seconds that Lean took."""

    __repr__ = fitting_repr


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

    goal: int = 0
    """Which of the parent's goals that step ran on, counted from 0."""

    log_prob: float = 0.0
    """Natural logarithm of that step's probability; 0 for the root."""

    path_log_prob: float = 0.0
    """Sum of ``log_prob`` from the root to here."""

    policy_weights: str | None = None
    """Version of the policy's weights that proposed that step; ``None`` for the root, and where no server says."""

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
    search has no energy model, and wherever ``priority`` is ``None`` because the end of the run came first.
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

    __repr__ = fitting_repr

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
    def steps(self) -> tuple[str | ProofStep, ...]:
        """The best known path, its first step first: a proof, if no goal is left here."""
        steps = ((node.tactic, node.goal) for node in self.lineage if node.tactic is not None)
        return tuple(ProofStep(tactic, goal) if goal else tactic for tactic, goal in steps)[::-1]

    @property
    def tactics(self) -> tuple[str, ...]:
        """The steps as text, each to be run on the first goal: one on another goal begins with ``rotate_left``."""
        return tactic_blocks(self.steps)

    def leaf(self, theorem: Theorem) -> Leaf:
        """The node as a scorer sees it."""
        return Leaf(
            theorem=theorem,
            state=self.state,
            path_log_prob=self.path_log_prob,
            depth=self.depth,
            energy=self.energy,
        )
