"""Everything that a search leaves behind."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, Self

import attrs
from attrs.validators import deep_iterable, instance_of, optional

from leanebm._shown import counted, fitting_repr, how_many, printable
from leanebm._viewer import TREE_COLUMNS, notebook_frame, theorem_json, tree_json
from leanebm.core.certificate import Certificate, CertificationRejected
from leanebm.core.node import Edge, Node, NodeStatus
from leanebm.core.outcome import SearchOutcome, TacticFate
from leanebm.core.proof_script import on_goal
from leanebm.core.proof_state import ProofState
from leanebm.core.theorem import Theorem
from leanebm.errors import LeanEbmError, what_it_says


def _tuple_of(kind: type) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    return deep_iterable(instance_of(kind), iterable_validator=instance_of(tuple))


def _node_values(nodes: tuple[Node, ...]) -> tuple[object, ...]:
    """What the nodes say; a node by itself is equal to itself alone."""
    return tuple(
        (
            *(getattr(node, name) for name in _NODE_VALUES),
            None if node.parent is None else node.parent.index,
            tuple(node.edges),
        )
        for node in nodes
    )


def _node_row(node: Node, remaining_depth: int) -> dict[str, Any]:
    path = ("log_prob", "path_log_prob", "policy_weights", "depth")
    same = (*path, "priority", "energy", "status", "found_s", "tactic_s")
    return {name: getattr(node, name) for name in same} | {
        "node": node.index,
        "parent": -1 if node.parent is None else node.parent.index,
        "state_key": node.state.key,
        "state_text": node.state.text,
        "num_goals": len(node.state.goals),
        "tactic": None if node.tactic is None else on_goal(node.goal, node.tactic),
        "remaining_depth": remaining_depth,
        "on_proof_path": remaining_depth >= 0,
        "expansion": -1 if node.expansion is None else node.expansion,
        "attempts": [_attempt_row(edge) for edge in node.edges],
    }


def _attempt_row(edge: Edge) -> dict[str, Any]:
    return {name: getattr(edge, name) for name in ("log_prob", "kind", "message", "elapsed_s")} | {
        "tactic": on_goal(edge.goal, edge.tactic),
        "target": -1 if edge.target is None else edge.target,
    }


_NODE_VALUES = tuple(field.name for field in attrs.fields(Node) if field.name not in {"parent", "edges"})


def _is_sound(node: Node) -> bool:
    """Whether what is read of a node has the types that its class names; anybody can set its attributes."""
    values: list[tuple[object, type]] = [(node.state, ProofState), (node.status, NodeStatus)]
    for edge in node.edges:
        values += [(edge, Edge), (getattr(edge, "kind", None), TacticFate), (getattr(edge, "message", None), str)]
    return all(isinstance(value, kind) for value, kind in values)


@attrs.frozen(kw_only=True)
class SearchStatistics:
    """What a search did and where its time went. Counts are taken from the tree itself."""

    nodes: int = 0
    """States found, the root and finished ones included."""

    expansions: int = 0
    """Nodes whose expansion began: the policy was asked about them."""

    tactic_calls: int = 0
    """Tactics that Lean ran and answered."""

    policy_calls: int | None = None
    """Times the policy was asked for candidates; ``None`` if the search did not count."""

    energy_calls: int | None = None
    """States that were given an energy, 0 without an energy model; ``None`` if the search did not count."""

    tactic_rejected: int = 0
    """Tactic calls that Lean refused."""

    tactic_timed_out: int = 0
    """Tactic calls that ran into a limit inside Lean."""

    merged: int = 0
    """Tactic calls that led to a state known by another path."""

    cyclic: int = 0
    """Tactic calls that led back to the state itself or to one above it."""

    unexpandable: int = 0
    """Nodes whose prompt was too long for the policy."""

    pruned: int = 0
    """Nodes that a bounded frontier dropped."""

    wall_s: float = 0.0
    """Seconds from the moment the proof was open; 0 if it never was."""

    policy_s: float = 0.0
    """Seconds spent waiting for candidates."""

    policy_wait_s: float = 0.0
    """Of these, seconds in which no server was at work on them: they waited for room, or for a full server."""

    policy_weights: tuple[str, ...] = attrs.field(default=(), repr=how_many)
    """Versions of the weights that the candidates came from, as far as servers say; sorted."""

    lean_s: float = 0.0
    """Seconds spent waiting for tactics and for states to be freed."""

    score_s: float = 0.0
    """Seconds spent waiting for energies and scores."""

    certify_s: float = 0.0
    """Seconds spent waiting for the certifier."""


@attrs.frozen(kw_only=True)
class SearchResult:
    """Everything that one theorem's search found, also when it failed."""

    theorem: Theorem = attrs.field(validator=instance_of(Theorem))
    outcome: SearchOutcome = attrs.field(validator=instance_of(SearchOutcome))
    certificate: Certificate | None = attrs.field(validator=optional(instance_of(Certificate)))
    """The proof; present exactly if the outcome is ``PROVED``."""

    rejections: tuple[CertificationRejected, ...] = attrs.field(
        repr=how_many, validator=_tuple_of(CertificationRejected)
    )
    """Candidate proofs that the certifier did not accept, in the order they were found."""

    nodes: tuple[Node, ...] = attrs.field(repr=how_many, validator=_tuple_of(Node), eq=_node_values)
    """Every node, in order of discovery; the root first. Empty if the proof could not be opened.

    Results whose nodes say the same are equal, though a node by itself is equal to itself alone.
    """

    statistics: SearchStatistics = attrs.field(validator=instance_of(SearchStatistics))
    error: LeanEbmError | None = attrs.field(validator=optional(instance_of(LeanEbmError)), eq=what_it_says)
    """What broke, if something did. With outcome ``PROVED`` it broke after the proof was certified.

    Errors of one kind that say the same count as equal.
    """

    __repr__ = fitting_repr

    @classmethod
    def unopened(cls, theorem: Theorem, error: LeanEbmError | None) -> Self:
        """The result of a search that could not even open the proof."""
        return cls(
            theorem=theorem,
            outcome=SearchOutcome.INFRASTRUCTURE,
            certificate=None,
            rejections=(),
            nodes=(),
            statistics=SearchStatistics(),
            error=error,
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the tree as ``leanebm view`` draws it, or a line where it is too large for a cell."""
        told = f"{self.theorem.name}: {self.outcome.value}, {counted(len(self.nodes), 'node')}"
        theorem = theorem_json(self, self.statistics, error=str(self.error) if self.error is not None else None)
        run = {"name": told, "about": "", "notes": [], "theorems": [theorem | {"id": "tree-0-0"}]}
        rows = self.node_rows()
        tree = tree_json({name: [row[name] for row in rows] for name in TREE_COLUMNS})
        return f"<div>{html.escape(printable(told))}</div>{notebook_frame(run, tree)}"

    def node_rows(self) -> list[dict[str, Any]]:
        """What is recorded of each node, in order of discovery: the values of a trajectory's columns, by their names.

        -1 stands for no node, for no expansion, and off the certified proof for the tactics to its end.
        """
        end = len(self.proof) - 1
        remaining = {node.index: end - position for position, node in enumerate(self.proof)}
        return [_node_row(node, remaining.get(node.index, -1)) for node in self.nodes]

    def tree_problems(self) -> list[str]:
        """How its nodes fail to be a tree in order of discovery, in sentences; none if they are one."""
        if odd := [number for number, node in enumerate(self.nodes) if not _is_sound(node)]:
            return [f"node {odd[0]} has no state, or a status or edges that are none"]
        problems = []
        nodes, numbers = self.nodes, range(len(self.nodes))
        if [node.index for node in nodes] != list(numbers):
            problems.append("nodes must be numbered in order of discovery, from 0")
        if any((node.parent is None) != (number == 0) for number, node in enumerate(nodes)):
            problems.append("the first node must be the root, and every other one needs a parent")
        known = {id(node) for node in nodes}
        if any(id(above) not in known or above.depth + 1 != node.depth for node in nodes if (above := node.parent)):
            problems.append("a node's parent is not among the nodes, or not one step nearer to the root")
        if any(edge.target is not None and edge.target not in numbers for node in nodes for edge in node.edges):
            problems.append("a tactic led to a node that is not there")
        if self.statistics.nodes != len(nodes):
            problems.append(f"its statistics say {self.statistics.nodes} nodes, and there are {len(nodes)}")
        return problems

    @property
    def proof(self) -> tuple[Node, ...]:
        """The nodes of the certified path, from the root to the finished state.

        Empty if nothing is certified, or if the certified proof is a tree that the search put together, not a path.
        """
        proved = (node for node in self.nodes if node.status is NodeStatus.PROVED)
        return next((tuple(node.lineage)[::-1] for node in proved), ())
