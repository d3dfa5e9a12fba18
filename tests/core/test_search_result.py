from __future__ import annotations

import itertools

from leanebm.core import SearchOutcome, SearchResult, SearchStatistics, Theorem
from leanebm.errors import WorkerStartError


def test_the_truth_table_of_outcomes() -> None:
    for certified, failed, rejected, cut_off in itertools.product([False, True], repeat=4):
        outcome = SearchOutcome.of(
            is_certified=certified, has_failed=failed, was_rejected=rejected, was_cut_off=cut_off
        )
        expected = [
            (certified, SearchOutcome.PROVED),
            (failed, SearchOutcome.INFRASTRUCTURE),
            (rejected, SearchOutcome.REJECTED),
            (cut_off, SearchOutcome.BUDGET_SPENT),
            (True, SearchOutcome.EXHAUSTED),
        ]
        assert outcome is next(member for holds, member in expected if holds)


def test_members_are_known_by_their_values_and_speak_to_the_user() -> None:
    assert [outcome.value for outcome in SearchOutcome] == [
        "proved",
        "exhausted",
        "budget_spent",
        "rejected",
        "infrastructure",
        "incomplete",
    ]
    assert SearchOutcome("budget_spent") is SearchOutcome.BUDGET_SPENT
    assert len({outcome.sentence for outcome in SearchOutcome}) == len(SearchOutcome)
    assert all(outcome.sentence.endswith(".") for outcome in SearchOutcome)


def test_a_proof_that_could_not_be_opened_has_found_nothing() -> None:
    error = WorkerStartError("no worker started")
    result = SearchResult.unopened(Theorem(name="t", statement="True"), error)
    assert result.outcome is SearchOutcome.INFRASTRUCTURE
    assert result.error is error
    assert result.nodes == ()
    assert result.proof == ()
    assert result.statistics == SearchStatistics()
    assert "nodes=<0>" in repr(result)
