from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import SearchOutcome, Theorem
from leanebm.trajectory import AnytimeCurve, Cost, TheoremRecord, doublings


def record(name: str, outcome: SearchOutcome, expansions: int) -> TheoremRecord:
    return TheoremRecord(
        theorem=Theorem(name=name, statement="1 = 1"),
        run_id="run",
        outcome=outcome,
        started_unix_s=0.0,
        nodes=1,
        expansions=expansions,
        tactic_calls=2 * expansions,
        wall_s=0.5 * expansions,
    )


@pytest.mark.parametrize(
    ("limit", "budgets"),
    [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (16, (1, 2, 4, 8, 16)), (100, (1, 2, 4, 8, 16, 32, 64, 100))],
)
def test_budgets_double_up_to_the_limit(limit: float, budgets: tuple[float, ...]) -> None:
    assert doublings(limit) == budgets


@given(st.floats(min_value=1.0, max_value=1e12))
def test_budgets_begin_at_1_grow_and_end_at_the_limit(limit: float) -> None:
    budgets = doublings(limit)
    assert budgets[0] == 1.0
    assert budgets[-1] == limit
    assert all(larger > smaller for smaller, larger in itertools.pairwise(budgets))


def test_a_search_that_broke_is_no_theorem_that_is_not_proved() -> None:
    records = [record("spent", SearchOutcome.BUDGET_SPENT, 8), record("lost", SearchOutcome.INFRASTRUCTURE, 3)]
    curve = AnytimeCurve.of(records)
    assert set(curve.spent) == {"spent"}
    assert curve.proved_within(1e9) == 0


def test_costs_are_fields_of_the_record() -> None:
    assert all(hasattr(record("t", SearchOutcome.EXHAUSTED, 1), cost) for cost in Cost)
