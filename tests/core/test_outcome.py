from __future__ import annotations

import itertools

from leanebm.core import (
    Goal,
    ProofAdvanced,
    ProofFinished,
    ProofState,
    SearchOutcome,
    StateRef,
    TacticFate,
    TacticRejected,
    TacticTimedOut,
)

OPEN = ProofState(goals=(Goal(text="⊢ p", target="p"),), key="p", ref=StateRef(0, 1))
DONE = ProofState(goals=(), key="", ref=StateRef(0, 2))


def test_an_outcome_says_its_fate_and_its_fate_is_no_field() -> None:
    outcomes = (
        ProofAdvanced(OPEN, 0.1),
        ProofFinished(DONE, 0.1),
        TacticRejected("no", 0.1),
        TacticTimedOut("slow", 0.1),
    )
    assert [outcome.fate for outcome in outcomes] == [
        TacticFate.ADVANCED,
        TacticFate.FINISHED,
        TacticFate.REJECTED,
        TacticFate.TIMED_OUT,
    ]
    assert all("fate" not in repr(outcome) for outcome in outcomes)


def test_fates_are_known_by_the_words_that_files_hold() -> None:
    of_searches = {"advanced", "finished", "rejected", "timed_out", "merged", "cyclic"}
    beside_proofs = {"known", "on_path", "kept", "duplicate", "closed", "provable", "surplus"}
    assert {fate.value for fate in TacticFate} == of_searches | beside_proofs


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
