from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import SearchOutcome, Theorem
from leanebm.errors import ConfigError
from leanebm.pipeline import BudgetComparison, DepthComparison, Interval, RunConfig, SearchRun, compare_runs
from leanebm.pipeline.comparison.comparison import _bootstrap, _gathered
from leanebm.search import BreadthFirst, SearchBudget, SearchConfig
from leanebm.testing import LOST, ToyWorld
from leanebm.trajectory import AnytimeCurve, Cost, read_trajectory

NOTHING = Interval(value=0.0, low=0.0, high=0.0)

Numbers = Callable[..., tuple[Theorem, ...]]
Search = Callable[..., Any]


@pytest.fixture
def search(tmp_path: Path, config: RunConfig, world: ToyWorld, toy_bench: Callable[..., Any]) -> Search:
    """Search some theorems into a folder; returns it."""

    async def run(
        name: str, theorems: Sequence[Theorem], *, moves: dict[str, Any] | None = None, **settings: Any
    ) -> Path:
        bench = toy_bench(ToyWorld(moves={**world.moves, **(moves or {})}))
        await SearchRun(attrs.evolve(config, **settings), theorems, tmp_path / name, opening=bench).run()
        return tmp_path / name

    return run


def spent(folder: Path) -> dict[str, float]:
    return dict(AnytimeCurve.of(read_trajectory(folder).records).spent)


async def test_a_run_beside_itself_differs_in_nothing(search: Search, numbers: Numbers) -> None:
    run = await search("one", numbers(*range(1, 20)))
    found = compare_runs(run, run)
    assert found.theorems == 19
    assert found.differences == found.left_out == found.only_baseline == found.only_experiment == ()
    assert (found.area.value, found.area.low, found.area.high) == (0.0, 0.0, 0.0)
    assert all(row.baseline == row.experiment and row.p == 1.0 for row in found.budgets)
    assert [row.budget for row in found.budgets] == [1, 2, 4, 8, 16, 32, 64, 128, 200]


async def test_counts_are_those_of_the_two_runs_at_each_budget(search: Search, numbers: Numbers) -> None:
    theorems = numbers(*range(1, 20))
    one = await search("one", theorems)
    other = await search("other", theorems, scorer=BreadthFirst())
    found, before, after = compare_runs(one, other), spent(one), spent(other)
    for row in found.budgets:
        assert row.baseline == sum(cost <= row.budget for cost in before.values())
        assert row.experiment == sum(cost <= row.budget for cost in after.values())
        assert row.only_baseline == sum(before[name] <= row.budget < after[name] for name in before)
        assert row.only_experiment == sum(after[name] <= row.budget < before[name] for name in before)
        assert row.gain.value == pytest.approx((row.experiment - row.baseline) / 19)
        assert row.gain.low <= row.gain.value <= row.gain.high
    assert before != after
    assert any("scorer" in line for line in found.differences)
    assert found.area.low <= found.area.value <= found.area.high


async def test_an_experiment_that_proves_more_is_better_by_every_figure(search: Search, numbers: Numbers) -> None:
    theorems = numbers(*range(1, 9))
    stuck: dict[str, Any] = {str(number): {} for number in range(1, 5)}
    worse = await search("worse", theorems, moves=stuck)
    better = await search("better", theorems)
    found = compare_runs(worse, better)
    last = found.budgets[-1]
    assert (last.baseline, last.experiment, last.only_baseline) == (0, 8, 0)
    assert set(found.only_experiment) == {theorem.name for theorem in theorems}
    assert found.area.low > 0.0
    assert sum(row.experiment for row in found.depths) == 8
    assert sum(row.baseline for row in found.depths) == 0
    backwards = compare_runs(better, worse)
    assert backwards.area.value == -found.area.value
    assert backwards.only_baseline == found.only_experiment


def test_intervals_are_as_wide_as_chance_makes_them() -> None:
    """Of 400 theorems the experiment alone proves 80, and the baseline alone 40: sd of the mean √(0.29/400)."""
    rows = [(1.0, 0.0)] * 80 + [(-1.0, 0.0)] * 40 + [(0.0, 0.0)] * 280
    gain, nothing = _bootstrap(rows, seed=0)
    assert gain.value == pytest.approx(0.1)
    half = 1.96 * math.sqrt(0.29 / 400)
    assert gain.low == pytest.approx(0.1 - half, abs=0.01)
    assert gain.high == pytest.approx(0.1 + half, abs=0.01)
    assert (nothing.low, nothing.value, nothing.high) == (0.0, 0.0, 0.0)
    assert _bootstrap(rows, seed=0) == [gain, nothing]
    assert _bootstrap(rows, seed=1) != [gain, nothing]


async def test_a_theorem_whose_search_broke_is_left_out_of_both(search: Search, numbers: Numbers) -> None:
    theorems = numbers(2, 3, 5, 9)
    whole = await search("whole", theorems)
    broken = await search("broken", theorems, moves={"9": {"decrement": LOST}})
    found = compare_runs(whole, broken)
    lost = {record.theorem.name for record in read_trajectory(broken).records if not record.is_final}
    assert "n9" in found.left_out
    assert set(found.left_out) == lost
    assert found.theorems == 4 - len(lost) > 0
    assert found.only_baseline == ()


async def test_runs_that_are_not_comparable_are_refused_with_every_reason(search: Search, numbers: Numbers) -> None:
    one = await search("one", numbers(1, 2, 3))
    wide = SearchConfig(budget=SearchBudget(max_expansions=50), candidates_per_state=3)
    other = await search("other", numbers(2, 3, 4), search=wide)
    with pytest.raises(ConfigError) as refused:
        compare_runs(one, other)
    text = str(refused.value)
    for reason in (
        "max_expansions",
        "candidates_per_state",
        "only the baseline searched 'n1'",
        "experiment searched 'n4'",
    ):
        assert reason in text


@pytest.mark.parametrize("is_comparable", [True, False])
async def test_what_was_pooled_of_unlike_searches_is_told_or_refused(
    search: Search,
    config: RunConfig,
    world: ToyWorld,
    numbers: Numbers,
    toy_bench: Any,
    is_comparable: bool,
) -> None:
    """A run of which some theorems had another budget has no curve to compare; one of two scorers has, and says so."""
    deep = SearchConfig(budget=SearchBudget(max_expansions=300))
    other = attrs.evolve(config, scorer=BreadthFirst()) if is_comparable else attrs.evolve(config, search=deep)
    pooled, plain = await search("pooled", numbers(1, 2)), await search("plain", numbers(1, 2, 3), search=other.search)
    resumed = SearchRun(other, numbers(1, 2, 3), pooled, resume=True, resume_anyway=True, opening=toy_bench(world))
    await resumed.run()
    if is_comparable:
        told = compare_runs(plain, pooled).differences
        assert any(
            line.startswith("within the experiment, pooled by --resume-anyway: $.config.scorer") for line in told
        )
        assert any(line.startswith("within the baseline, pooled") for line in compare_runs(pooled, plain).differences)
    else:
        with pytest.raises(
            ConfigError, match=r"within the experiment, pooled by --resume-anyway: .*max_expansions: 300"
        ):
            compare_runs(plain, pooled)


async def test_a_statement_that_changed_is_another_theorem(search: Search, numbers: Numbers) -> None:
    one = await search("one", numbers(1, 2))
    other = await search("other", [*numbers(1), Theorem(name="n2", statement="3")])
    with pytest.raises(ConfigError, match="stated differently: 'n2'"):
        compare_runs(one, other)


@pytest.mark.parametrize("budgets", [[], [0.0], [-1.0, 2.0], [math.nan], [math.inf]])
async def test_budgets_that_are_none_are_refused(search: Search, numbers: Numbers, budgets: list[float]) -> None:
    run = await search("one", numbers(1))
    with pytest.raises(ConfigError, match="above 0"):
        compare_runs(run, run, budgets=budgets)


async def test_other_costs_and_chosen_budgets(search: Search, numbers: Numbers) -> None:
    run = await search("one", numbers(*range(1, 9)))
    records = read_trajectory(run).records
    found = compare_runs(run, run, cost=Cost.TACTIC_CALLS)
    most = max(record.tactic_calls for record in records if record.outcome is SearchOutcome.PROVED)
    assert found.budgets[-1].budget == most
    assert found.budgets[-1].baseline == 8
    assert [row.budget for row in compare_runs(run, run, budgets=[16, 4, 4]).budgets] == [4, 16]
    by_policy = compare_runs(run, run, cost=Cost.POLICY_CALLS).budgets[-1]
    assert by_policy.budget == max(record.expansions for record in records)


async def test_what_a_limit_cut_short_is_told_of_at_larger_budgets(search: Search, numbers: Numbers) -> None:
    """A search that ended after 4 expansions says nothing about 16, nor about as many tactic calls."""
    tight = SearchConfig(budget=SearchBudget(max_expansions=4))
    run = await search("tight", numbers(*range(1, 25)), search=tight)
    records = read_trajectory(run).records
    cut = [record for record in records if record.outcome is SearchOutcome.BUDGET_SPENT]
    assert cut
    assert any(record.outcome is SearchOutcome.PROVED for record in records)
    within, beyond = compare_runs(run, run, budgets=[4, 16]).budgets
    assert (within.cut_baseline, within.cut_experiment, within.is_even) == (0, 0, True)
    assert (beyond.cut_baseline, beyond.cut_experiment, beyond.is_even) == (len(cut), len(cut), False)
    for row in compare_runs(run, run, cost=Cost.TACTIC_CALLS, budgets=[1, 8, 12, 1000]).budgets:
        assert row.cut_baseline == sum(record.tactic_calls < row.budget for record in cut)


async def test_proofs_beyond_the_largest_budget_are_in_no_figure(search: Search, numbers: Numbers) -> None:
    run = await search("one", numbers(*range(1, 20)))
    found = compare_runs(run, run, budgets=[4])
    assert 0 < found.budgets[-1].baseline < compare_runs(run, run).budgets[-1].baseline
    assert sum(row.baseline for row in found.depths) == found.budgets[-1].baseline


async def test_it_is_json(search: Search, numbers: Numbers) -> None:
    run = await search("one", numbers(*range(1, 5)))
    values = json.loads(json.dumps(compare_runs(run, run).as_json()))
    assert values["theorems"] == 4
    assert values["budgets"][0]["p"] == 1.0
    assert values["baseline"] == str(run)


@pytest.mark.parametrize(
    ("only_baseline", "only_experiment", "p"),
    [
        (0, 0, 1.0),
        (3, 3, 1.0),
        (0, 1, 1.0),
        (0, 5, 2 / 2**5),
        (1, 9, 2 * (1 + 10) / 2**10),
        (4, 36, 2 * (1 + 40 + 780 + 9880 + 91390) / 2**40),
    ],
)
def test_the_exact_test(only_baseline: int, only_experiment: int, p: float) -> None:
    row = BudgetComparison(
        budget=1, baseline=0, experiment=0, only_baseline=only_baseline, only_experiment=only_experiment, gain=NOTHING
    )
    assert row.p == pytest.approx(p, rel=1e-4)
    assert attrs.evolve(row, only_baseline=only_experiment, only_experiment=only_baseline).p == row.p


def test_the_exact_test_of_thousands() -> None:
    row = BudgetComparison(budget=1, baseline=0, experiment=0, only_baseline=1900, only_experiment=2100, gain=NOTHING)
    assert row.p == pytest.approx(0.00164, abs=1e-4)


def test_the_row_of_the_longest_proofs_says_so() -> None:
    assert [DepthComparison(depth=depth, baseline=1, experiment=1).label for depth in (1, 7, 8)] == ["1", "7", "8+"]


def test_what_one_run_lacks_in_one_place_is_one_line() -> None:
    lines = [
        "$.config.energy_head: '69ab', not None",
        "$.config.served.encoder.dim: 384, not nothing",
        "$.config.served.encoder.model: 'template', not nothing",
        "$.config.served.policy: nothing, not 'x'",
    ]
    assert list(_gathered(lines)) == [lines[0], "$.config.served.encoder: several settings, not nothing", lines[3]]


def test_what_one_run_lacks_is_one_line_also_where_something_else_stands_between() -> None:
    scorer = "$.config.scorer"
    lines = [f"{scorer}.alpha: nothing, not 0.5", f"{scorer}.inner: 1, not nothing"]
    lines += [f"{scorer}.kind: 'mine', not 'ours'", f"{scorer}.level: 2, not nothing"]
    assert list(_gathered(lines)) == [lines[0], f"{scorer}: several settings, not nothing", lines[2]]


def test_a_part_whose_code_differs_is_told_without_hashes() -> None:
    origin = "$.config.part_origins"
    another_kind = [
        f"{origin}.scorer.kind: 'mine:Mine', not nothing",
        f"{origin}.scorer.package: 'none', not nothing",
        f"{origin}.scorer.sources.mine.py: 9d3c2f10…, not nothing",
        "$.config.scorer.kind: 'mine:Mine', not 'length_normalised'",
    ]
    assert list(_gathered(another_kind)) == another_kind[3:]
    inside_one_that_only_one_run_has = [
        f"{origin}.scorer.terms[0].scorer.kind: 'mine:Mine', not nothing",
        f"{origin}.scorer.terms[0].scorer.sources.mine.py: 9d3c2f10…, not nothing",
        "$.config.scorer.kind: 'weighted_sum', not 'length_normalised'",
    ]
    assert list(_gathered(inside_one_that_only_one_run_has)) == inside_one_that_only_one_run_has[2:]
    other_code = [
        f"{origin}.parts.search[1].package: 'ladders 1.2', not 'ladders 1.1'",
        f"{origin}.parts.search[1].sources.ladders/parts.py: 9d3c2f10…, not 77aa0b1c…",
        f"{origin}.scorer.sources.mine/new.py: 9d3c2f10…, not nothing",
    ]
    assert list(_gathered(other_code)) == [
        f"$.config.{part}: the same name, but other code" for part in ("parts.search[1]", "scorer")
    ]
