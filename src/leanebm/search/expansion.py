"""One expansion: where each tactic's outcome belongs in the tree. No I/O, and nothing is scored here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

import attrs

from leanebm.core import (
    Candidate,
    ProofAdvanced,
    ProofFinished,
    ProofState,
    TacticOutcome,
    TacticRejected,
    TacticTimedOut,
)
from leanebm.search.edge import Edge, EdgeKind
from leanebm.search.node import Node, NodeStatus
from leanebm.search.tree import Rival, SearchTree

__all__ = ["Expansion", "distinct"]


def distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates in their order, each text (up to surrounding space) only the first time."""
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.tactic.strip(), candidate)
    return list(first.values())


@attrs.define(eq=False)
class Expansion:
    """What running a policy's candidates on ``node`` has led to so far."""

    tree: SearchTree
    node: Node

    children: list[Node] = attrs.field(init=False, factory=list)
    """New nodes with goals left, to be scored and queued."""

    rivals: list[Rival] = attrs.field(init=False, factory=list)
    """Other paths to known nodes, to be scored and compared."""

    spent_states: list[ProofState] = attrs.field(init=False, factory=list)
    """States on which no tactic will be run any more, to be freed."""

    def follow(self, candidate: Candidate, outcome: TacticOutcome, *, found_s: float) -> Edge:
        """Note what ``candidate`` led to, growing the tree if it is new."""
        kind, target, message = EdgeKind.ADVANCED, None, ""
        match outcome:
            case TacticRejected():
                kind, message = EdgeKind.REJECTED, outcome.message
            case TacticTimedOut():
                kind, message = EdgeKind.TIMED_OUT, outcome.message
            case ProofFinished():
                kind = EdgeKind.FINISHED
                target = self.tree.grow(
                    self.node, candidate, outcome.state, found_s=found_s, tactic_s=outcome.elapsed_s
                )
                self.spent_states.append(outcome.state)
            case ProofAdvanced():
                target = self.tree.known(outcome.state)
                if target is None:
                    target = self.tree.grow(
                        self.node, candidate, outcome.state, found_s=found_s, tactic_s=outcome.elapsed_s
                    )
                    self.children.append(target)
                else:
                    kind = self._meet(target, candidate, outcome.state)
            case _:
                assert_never(outcome)
        edge = Edge(
            tactic=candidate.tactic,
            log_prob=candidate.log_prob,
            kind=kind,
            target=None if target is None else target.index,
            message=message,
            elapsed_s=outcome.elapsed_s,
        )
        self.node.edges.append(edge)
        return edge

    def close(self) -> None:
        """Every candidate was run: say what that makes of the node."""
        led_somewhere = any(edge.target is not None for edge in self.node.edges)
        self.node.status = NodeStatus.EXPANDED if led_somewhere else NodeStatus.DEAD

    def _meet(self, known: Node, candidate: Candidate, state: ProofState) -> EdgeKind:
        """A tactic led to a state the tree already holds."""
        if state.ref != known.state.ref:  # an environment may answer with the very state it gave before
            self.spent_states.append(state)
        if known in self.node.lineage:
            return EdgeKind.CYCLIC
        self.rivals.append(Rival(known, self.node, candidate))
        return EdgeKind.MERGED
