"""One theorem's search while it runs: what the algorithm writes down as it goes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import attrs

from leanebm.core import Certificate, CertificationRejected, ProofSession, Theorem
from leanebm.errors import LeanEbmError
from leanebm.search.budget import BudgetMeter
from leanebm.search.edge import EdgeKind
from leanebm.search.frontier import Frontier
from leanebm.search.node import NodeStatus
from leanebm.search.result import SearchOutcome, SearchResult, SearchStatistics
from leanebm.search.tree import SearchTree

__all__ = ["SearchProgress"]

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
