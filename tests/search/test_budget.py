from __future__ import annotations

from typing import Any

import pytest

from leanebm.search import BudgetMeter, SearchBudget
from leanebm.testing import ManualClock


def test_each_limit_ends_the_budget_by_itself() -> None:
    clock = ManualClock(now_s=1000.0)
    meter = BudgetMeter(budget=SearchBudget(max_expansions=2, max_tactic_calls=3, max_wall_s=5.0), clock=clock)
    assert meter.allows_tactic
    assert meter.allows_expansion

    meter.expansions = 2
    assert not meter.allows_expansion
    assert meter.allows_tactic, "the last node may still be expanded to its end"
    meter.expansions = 0

    meter.tactic_calls = 3
    assert not meter.allows_tactic
    assert not meter.allows_expansion
    meter.tactic_calls = 0

    clock.advance(5.0)
    assert not meter.allows_tactic
    assert not meter.allows_expansion
    assert meter.elapsed_s == 5.0


def test_a_multiple_has_each_limit_that_there_is() -> None:
    budget = SearchBudget(max_expansions=2, max_tactic_calls=3, max_wall_s=0.5)
    assert budget.times(4) == SearchBudget(max_expansions=8, max_tactic_calls=12, max_wall_s=2.0)
    assert SearchBudget(max_expansions=2).times(4) == SearchBudget(max_expansions=8)


def test_without_a_limit_nothing_ends_it() -> None:
    clock = ManualClock()
    meter = BudgetMeter(budget=SearchBudget(max_expansions=1), clock=clock)
    meter.tactic_calls = 10**9
    clock.advance(1e9)
    assert meter.allows_expansion


@pytest.mark.parametrize(
    "limits",
    [
        {"max_expansions": 0},
        {"max_expansions": 1.5},
        {"max_tactic_calls": 0},
        {"max_wall_s": 0.0},
        {"max_wall_s": -1.0},
    ],
)
def test_limits_that_allow_nothing_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(limits))):
        SearchBudget(**limits)
