from __future__ import annotations

from leanebm.core import SearchOutcome, SearchResult, SearchStatistics, Theorem
from leanebm.errors import WorkerStartError


def test_a_proof_that_could_not_be_opened_has_found_nothing() -> None:
    error = WorkerStartError("no worker started")
    result = SearchResult.unopened(Theorem(name="t", statement="True"), error)
    assert result.outcome is SearchOutcome.INFRASTRUCTURE
    assert result.error is error
    assert result.nodes == ()
    assert result.proof == ()
    assert result.statistics == SearchStatistics()
    assert "nodes=<0>" in repr(result)
