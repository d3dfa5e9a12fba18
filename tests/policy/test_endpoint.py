from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.errors import PolicyUnavailable
from leanebm.policy import PolicyClientConfig
from leanebm.policy._endpoint import RetryBudget, RetryPlan
from leanebm.policy._failure import AttemptFailed, Failure

CONFIG = PolicyClientConfig(url="http://h")


def failed(kind: Failure, retry_after_s: float = 0.0) -> AttemptFailed:
    return AttemptFailed(kind, PolicyUnavailable("x"), retry_after_s=retry_after_s)


def plan(budget: RetryBudget | None = None) -> RetryPlan:
    return RetryPlan(CONFIG, random.Random(1), budget or RetryBudget())  # noqa: S311 - jitter


@pytest.mark.parametrize(
    ("kind", "retries"),
    [
        (Failure.CONNECT, 3),
        (Failure.DROPPED, 3),
        (Failure.SERVER_ERROR, 2),
        (Failure.GARBLED, 1),
        (Failure.ABORTED, 1),
        (Failure.TIMED_OUT, 0),
        (Failure.REFUSED, 0),
        (Failure.UNAUTHORIZED, 0),
        (Failure.MISPLACED, 0),
    ],
)
def test_each_kind_has_its_own_limit(kind: Failure, retries: int) -> None:
    one = plan()
    for _ in range(retries):
        assert one.pause_after(failed(kind), remaining_s=1e9) is not None
    assert one.pause_after(failed(kind), remaining_s=1e9) is None


def test_the_table_has_a_row_for_every_kind() -> None:
    assert len({kind.value for kind in Failure}) == len(Failure) == 11


def test_overload_is_retried_until_the_deadline_and_costs_no_budget() -> None:
    budget = RetryBudget()
    one = plan(budget)
    assert all(one.pause_after(failed(Failure.OVERLOADED), remaining_s=60.0) is not None for _ in range(1000))
    assert one.pause_after(failed(Failure.OVERLOADED, retry_after_s=60.0), remaining_s=60.0) is None
    assert budget.spend()


def test_no_pause_reaches_past_the_deadline() -> None:
    assert plan().pause_after(failed(Failure.CONNECT), remaining_s=0.0) is None


def test_a_spent_budget_ends_retries_until_calls_refill_it() -> None:
    budget = RetryBudget()
    while budget.spend():
        pass
    assert plan(budget).pause_after(failed(Failure.CONNECT), remaining_s=1e9) is None
    for _ in range(11):
        budget.earn()
    assert plan(budget).pause_after(failed(Failure.CONNECT), remaining_s=1e9) is not None


@given(st.integers(0, 2**32), st.integers(1, 200))
def test_pauses_are_jittered_below_a_doubling_ceiling(seed: int, attempts: int) -> None:
    one = RetryPlan(CONFIG, random.Random(seed), RetryBudget())  # noqa: S311 - jitter
    for attempt in range(attempts):
        pause_s = one.pause_after(failed(Failure.OVERLOADED), remaining_s=1e9)
        assert pause_s is not None
        assert 0.0 <= pause_s <= min(8.0, 0.25 * 2.0 ** min(attempt, 10))
