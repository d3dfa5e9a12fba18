from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import SearchOutcome, Theorem
from leanebm.errors import ConfigError
from leanebm.pipeline import RunConfig, RunSummary, SearchRun, summarise_run
from leanebm.testing import LOST, ToyWorld
from leanebm.trajectory import Cost, TheoremRecord, summary_of

Numbers = Callable[..., tuple[Theorem, ...]]


async def test_theorems_are_told_apart_by_how_they_ended(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    moves = {**world.moves, "7": {"decrement": LOST}, "9": {"negate": "-9"}}
    await SearchRun(config, numbers(2, 7, 9), tmp_path, opening=toy_bench(ToyWorld(moves=moves))).run()
    found = summarise_run(tmp_path)
    assert [record.theorem.name for record in found.ended(SearchOutcome.PROVED)] == ["n2"]
    assert [record.theorem.name for record in found.ended(SearchOutcome.INFRASTRUCTURE)] == ["n7"]
    assert [record.theorem.name for record in found.ended(SearchOutcome.EXHAUSTED)] == ["n9"]
    assert found.as_json()["attempted"] == 3
    assert found.path == tmp_path / "trajectory"


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        summarise_run(tmp_path)


async def test_the_curve_counts_what_smaller_budgets_would_have_proved(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    await SearchRun(config, numbers(1, 2, 7, 31), tmp_path, opening=toy_bench(world)).run()
    found = summarise_run(tmp_path)
    proofs = {record.theorem.name: record for record in found.ended(SearchOutcome.PROVED)}
    assert set(proofs) == {"n1", "n2", "n7", "n31"}
    assert [budget for budget, _ in found.curve] == [1, 2, 4, 8, 16, 32, 64, 128, 200]
    for budget, proved in found.curve:
        assert proved == sum(record.expansions <= budget for record in proofs.values())
    assert len(found.proof_lengths) == 4
    assert found.as_json()["curve"] == [list(point) for point in found.curve]
    assert found.as_json()["one_tactic_proofs"] == found.proof_lengths.count(1)


async def test_the_curve_is_drawn_over_any_cost_that_was_counted(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    await SearchRun(config, numbers(1, 2, 7, 31), tmp_path, opening=toy_bench(world)).run()
    found = summarise_run(tmp_path)
    assert found.curve_by(Cost.EXPANSIONS) == found.curve
    for budget, proved in found.curve_by(Cost.TACTIC_CALLS):
        assert proved == sum(record.tactic_calls <= budget for record in found.records)
    assert found.curve_by(Cost.TACTIC_CALLS)[-1] == (max(record.tactic_calls for record in found.records), 4)
    assert found.curve_by(Cost.ENERGY_CALLS) == ((1.0, 4),)


def test_percentiles_are_times_that_occurred() -> None:
    def searched(seconds: int) -> TheoremRecord:
        theorem = Theorem(name=f"t{seconds}", statement="1 = 1")
        counts: Any = dict.fromkeys(("nodes", "expansions", "tactic_calls"), 1)
        return TheoremRecord(
            theorem=theorem, run_id="r", outcome=SearchOutcome.EXHAUSTED, started_unix_s=0, wall_s=seconds, **counts
        )

    records = tuple(searched(seconds) for seconds in range(200, 0, -1))
    summary = RunSummary(path=Path(), totals=summary_of(records), records=records)
    assert summary.seconds == {50: 100, 95: 190, 99: 198}
    assert attrs.evolve(summary, records=records[:1]).seconds == {50: 200, 95: 200, 99: 200}
    assert attrs.evolve(summary, records=()).seconds == {}
    assert summary.curve_by(Cost.SECONDS) == ((1.0, 0),)
    timeless = attrs.evolve(summary, has_times=False)
    assert timeless.as_json()["seconds"] == {}
    for ask in (timeless.curve_by, timeless.by_family, timeless.as_json):
        with pytest.raises(ConfigError, match="so their times mean nothing @ --by"):
            ask(Cost.SECONDS)


async def test_a_run_without_a_proof_has_no_length(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    stuck = ToyWorld(moves={**world.moves, "9": {"negate": "-9"}})
    await SearchRun(config, numbers(9), tmp_path, opening=toy_bench(stuck)).run()
    assert summarise_run(tmp_path).as_json()["median_proof_length"] is None


async def test_conjectures_are_counted_by_family(
    tmp_path: Path, config: RunConfig, world: ToyWorld, toy_bench: Callable[..., Any]
) -> None:
    names = {"even_0123456789": "2", "even_abcdef0123": "14", "odd_way_0123456789": "7", "line_4": "3"}
    theorems = tuple(Theorem(name=name, statement=number) for name, number in names.items())
    await SearchRun(config, theorems, tmp_path, opening=toy_bench(world)).run()
    found = summarise_run(tmp_path)
    records = {record.theorem.name: record for record in found.records}
    even = [record for name, record in records.items() if name.startswith("even_")]
    for cost in (Cost.EXPANSIONS, Cost.TACTIC_CALLS):
        of_family = found.by_family(cost)
        assert {family: attempted for family, (attempted, _) in of_family.items()} == {"even": 2, "odd_way": 1}
        for budget, proved in of_family["even"][1]:
            assert proved == sum(getattr(record, cost) <= budget for record in even)
        assert [budget for budget, _ in of_family["odd_way"][1]] == [budget for budget, _ in found.curve_by(cost)]
    told = found.as_json()["by_family"]["even"]
    assert told["attempted"] == 2
    assert told["curve"][-1] == [200, 2]
    by_calls = found.as_json(Cost.TACTIC_CALLS)
    assert by_calls["curve"] == [list(point) for point in found.curve_by(Cost.TACTIC_CALLS)]
    assert by_calls["by_family"]["even"]["curve"][-1] == [by_calls["curve"][-1][0], 2]
