"""One theorem's search while it runs: what the algorithm writes down as it goes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, assert_never

import attrs

from leanebm.core import (
    Candidate,
    Certificate,
    CertificationRejected,
    ProofAdvanced,
    ProofFinished,
    ProofSession,
    ProofState,
    TacticOutcome,
    TacticRejected,
    TacticTimedOut,
    Theorem,
)
from leanebm.errors import LeanEbmError
from leanebm.search.budget import BudgetMeter
from leanebm.search.frontier import Frontier
from leanebm.search.result import SearchOutcome, SearchResult, SearchStatistics
from leanebm.search.tree import Edge, EdgeKind, Node, NodeStatus, Rival, SearchTree

__all__ = ["Expansion", "SearchProgress", "distinct"]

Phase = Literal["policy", "lean", "score", "certify"]


@attrs.define(kw_only=True, eq=False)
class SearchProgress:
    """The tree, the frontier and the meter of a proof that is open."""

    theorem: Theorem
    session: ProofSession
    tree: SearchTree
    frontier: Frontier
    meter: BudgetMeter
    certificate: Certificate | None = attrs.field(init=False, default=None)
    rejections: list[CertificationRejected] = attrs.field(init=False, factory=list)
    _seconds: defaultdict[Phase, float] = attrs.field(init=False, factory=lambda: defaultdict(float))

    @property
    def may_expand(self) -> bool:
        """Whether there is a node to expand, a reason to, and a budget for it."""
        return self.certificate is None and len(self.frontier) > 0 and self.meter.allows_expansion

    @contextmanager
    def timed(self, phase: Phase) -> Iterator[None]:
        """Count the seconds until the block is left, however it is left, as spent on ``phase``."""
        started_s = self.meter.elapsed_s
        try:
            yield
        finally:
            self._seconds[phase] += self.meter.elapsed_s - started_s

    def result(self, error: LeanEbmError | None) -> SearchResult:
        """Sum up a search that has ended."""
        statuses = Counter(node.status for node in self.tree.nodes)
        untried = len(self.frontier) + sum(
            statuses[status] for status in (NodeStatus.PARTIAL, NodeStatus.PRUNED, NodeStatus.UNEXPANDABLE)
        )
        outcome = SearchOutcome.of(
            is_certified=self.certificate is not None,
            has_failed=error is not None,
            was_rejected=bool(self.rejections),
            was_cut_off=untried > 0,
        )
        return SearchResult(
            theorem=self.theorem,
            outcome=outcome,
            certificate=self.certificate,
            rejections=tuple(self.rejections),
            nodes=tuple(self.tree.nodes),
            statistics=self._statistics(statuses),
            error=error,
        )

    def _statistics(self, statuses: Counter[NodeStatus]) -> SearchStatistics:
        kinds = Counter(edge.kind for node in self.tree.nodes for edge in node.edges)
        return SearchStatistics(
            nodes=len(self.tree.nodes),
            expansions=self.meter.expansions,
            tactic_calls=kinds.total(),
            tactic_rejected=kinds[EdgeKind.REJECTED],
            tactic_timed_out=kinds[EdgeKind.TIMED_OUT],
            merged=kinds[EdgeKind.MERGED],
            cyclic=kinds[EdgeKind.CYCLIC],
            unexpandable=statuses[NodeStatus.UNEXPANDABLE],
            pruned=statuses[NodeStatus.PRUNED],
            wall_s=self.meter.elapsed_s,
            policy_s=self._seconds["policy"],
            lean_s=self._seconds["lean"],
            score_s=self._seconds["score"],
            certify_s=self._seconds["certify"],
        )


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
