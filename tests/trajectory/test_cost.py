from __future__ import annotations

import itertools
import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import SearchOutcome, Theorem
from leanebm.errors import TrajectoryError
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


def test_what_was_not_counted_is_no_cost() -> None:
    old = record("t", SearchOutcome.EXHAUSTED, 3)
    for cost in (Cost.POLICY_CALLS, Cost.ENERGY_CALLS, Cost.MODEL_CALLS):
        with pytest.raises(TrajectoryError, match=rf"{cost.noun} were not counted when 't' was searched"):
            AnytimeCurve.of([old], cost)
    assert attrs.evolve(old, policy_calls=3).model_calls is None
    counted = attrs.evolve(old, policy_calls=3, energy_calls=20)
    assert counted.model_calls == 23
    assert AnytimeCurve.of([counted], Cost.MODEL_CALLS).spent == {"t": math.inf}


def test_curves_are_set_side_by_side_on_what_all_know() -> None:
    easy, hard = record("easy", SearchOutcome.EXHAUSTED, 1), record("hard", SearchOutcome.BUDGET_SPENT, 8)
    whole, broken = AnytimeCurve.of([easy, hard]), AnytimeCurve.of([easy])
    assert AnytimeCurve.on_shared_theorems({"whole": whole, "broken": broken}) == {"whole": broken, "broken": broken}
    assert AnytimeCurve.on_shared_theorems({"whole": whole}) == {"whole": whole}
    assert AnytimeCurve.on_shared_theorems({}) == {}


@pytest.mark.parametrize(
    ("spent", "budgets"), [((), (1,)), ((math.inf,), (1,)), ((0.2, 3.5, math.inf), (1, 2, 4)), ((5.0,), (1, 2, 4, 5))]
)
def test_budgets_go_up_to_the_dearest_proof(spent: tuple[float, ...], budgets: tuple[float, ...]) -> None:
    curve = AnytimeCurve(cost=Cost.SECONDS, spent={str(number): each for number, each in enumerate(spent)})
    assert curve.budgets == budgets
