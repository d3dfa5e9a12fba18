from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leanebm.core import SearchResult, Theorem
from leanebm.errors import ConfigError, PolicyUnavailable, TrajectoryError
from leanebm.pipeline import (
    RunConfig,
    SearchedTheorem,
    SearchRun,
    StageFinished,
    StageProgressed,
    StageStarted,
    read_run_config,
    summarise_run,
)
from leanebm.pipeline.search.search_run import record_of, rows_of
from leanebm.search import BestFirstSearch, SearchBudget, SearchConfig
from leanebm.search.scorers import CumulativeLogProb
from leanebm.storage import RunInfo
from leanebm.testing import LOST, ScriptedPolicy, ToyCertifier, ToySession, ToyWorld
from leanebm.trajectory import read_trajectory

Numbers = Callable[..., tuple[Theorem, ...]]

ToyBench = Callable[..., Any]


def outcomes(folder: Path) -> dict[str, str]:
    return {record.theorem.name: record.outcome for record in summarise_run(folder).records}


def ended_in(events: Sequence[Any]) -> list[SearchedTheorem]:
    items = [event.item for event in events if isinstance(event, StageProgressed)]
    return [item for item in items if isinstance(item, SearchedTheorem)]


async def test_every_theorem_is_searched_recorded_and_its_proof_written(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench, observer: Any
) -> None:
    theorems = numbers(1, 5, 12, 31)
    await SearchRun(config, theorems, tmp_path, observer=observer, opening=toy_bench(world)).run()
    assert outcomes(tmp_path) == {"n1": "proved", "n5": "proved", "n12": "proved", "n31": "proved"}
    assert {path.stem for path in (tmp_path / "proofs").glob("*.lean")} == {each.name for each in theorems}
    for record in summarise_run(tmp_path).records:
        assert record.certificate is not None
        assert (tmp_path / "proofs" / f"{record.theorem.name}.lean").read_text() == record.certificate.source


async def test_the_settings_are_saved_beside_the_run(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench
) -> None:
    await SearchRun(config, numbers(1), tmp_path, opening=toy_bench(world)).run()
    assert read_run_config(tmp_path / "config.toml") == config


async def test_the_rows_tell_the_proof_and_how_far_it_is(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench
) -> None:
    await SearchRun(config, numbers(4), tmp_path, opening=toy_bench(world)).run()
    trajectory = read_trajectory(tmp_path / "trajectory")
    path = sorted((row for row in trajectory.rows() if row.on_proof_path), key=lambda row: row.depth)
    [record] = trajectory.records
    assert record.certificate is not None
    assert tuple(row.tactic for row in path[1:]) == record.certificate.tactics
    assert [row.remaining_depth for row in path] == list(reversed(range(len(path))))
    assert path[-1].status == "proved"


async def test_the_observer_is_told_everything_in_order(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench, observer: Any
) -> None:
    await SearchRun(config, numbers(3, 7), tmp_path, observer=observer, opening=toy_bench(world)).run()
    started, *progressed, finished = [event for event in observer.events if event.stage == "searching"]
    assert observer.events[0] == StageStarted(stage="elaborating")
    assert started == StageStarted(stage="searching", detail=f"2 theorems into {tmp_path}")
    assert isinstance(finished, StageFinished)
    ended = ended_in(progressed)
    assert {(each.theorem.name, each.proof) for each in ended} == {
        (name, tmp_path / "proofs" / f"{name}.lean") for name in ("n3", "n7")
    }
    assert len(progressed) > len(ended)  # searches that are under way are told of, too


async def test_a_refused_statement_is_told_and_the_run_goes_on(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench, observer: Any
) -> None:
    theorems = (Theorem(name="bad", statement="no such number"), *numbers(2))
    await SearchRun(config, theorems, tmp_path, observer=observer, opening=toy_bench(world)).run()
    assert [each.theorem.name for each in ended_in(observer.events) if each.error is not None] == ["bad"]
    assert observer.events[2].detail == (
        f"2 theorems (1 of them will not elaborate: 1 syntax; check-theorems says more) into {tmp_path}"
    )
    assert outcomes(tmp_path) == {"n2": "proved"}


async def test_where_every_statement_is_refused_each_is_named_with_its_reason(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench
) -> None:
    theorems = tuple(Theorem(name=f"bad{n}", statement="no such number") for n in range(2))
    with pytest.raises(ConfigError, match="Lean refused every statement") as refused:
        await SearchRun(config, theorems, tmp_path, opening=toy_bench(world)).run()
    assert [problem.partition(" @ ")[2] for problem in sorted(refused.value.problems)] == ["bad0", "bad1"]
    assert all(problem.partition(" @ ")[0] for problem in refused.value.problems)

    # What an earlier part found is no refusal.
    await SearchRun(config, (*numbers(2), *theorems), tmp_path, resume=True, opening=toy_bench(world)).run()
    await SearchRun(config, (*numbers(2), *theorems), tmp_path, resume=True, opening=toy_bench(world)).run()
    assert outcomes(tmp_path) == {"n2": "proved"}


async def test_a_lost_search_is_recorded_and_tried_again_on_resume(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench, observer: Any
) -> None:
    deadly = ToyWorld(moves={**world.moves, "3": {"decrement": LOST}})
    await SearchRun(config, numbers(2, 3), tmp_path, opening=toy_bench(deadly)).run()
    assert outcomes(tmp_path) == {"n2": "proved", "n3": "infrastructure"}
    await SearchRun(config, numbers(2, 3), tmp_path, resume=True, observer=observer, opening=toy_bench(world)).run()
    assert outcomes(tmp_path) == {"n2": "proved", "n3": "proved"}
    assert observer.events[2].detail == f"one theorem (1 done before) into {tmp_path}"


async def test_where_all_is_done_nothing_is_started(
    tmp_path: Path, config: RunConfig, numbers: Numbers, toy_bench: ToyBench, world: ToyWorld, observer: Any
) -> None:
    def opening(*_: object) -> Any:
        raise AssertionError("nothing is left to search")

    found = await SearchRun(config, numbers(2, 3), tmp_path, opening=toy_bench(world)).run()
    again = SearchRun(config, numbers(3), tmp_path, resume=True, observer=observer, opening=opening)
    assert (await again.run()).totals == found.totals
    assert observer.events[0].detail == f"nothing more: all is done in {tmp_path}"


async def test_too_many_losses_in_a_row_end_the_run(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench
) -> None:
    policy = ScriptedPolicy(script={str(n): PolicyUnavailable("gone") for n in range(33)})
    fragile = attrs.evolve(config, max_failures_in_a_row=3, concurrency=1)
    run = SearchRun(fragile, numbers(*range(1, 20)), tmp_path, opening=toy_bench(world, policy=policy))
    with pytest.raises(PolicyUnavailable):
        await run.run()
    assert Counter(outcomes(tmp_path).values()) == {"infrastructure": 3}


async def test_cancelling_keeps_what_was_found_and_resuming_finishes(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench, observer: Any
) -> None:
    theorems = numbers(*range(1, 30))

    def cancel_at_the_ninth(theorem: Theorem) -> None:
        if theorem.name == "n9" and observer.events[-1].stage == "searching":  # all are looked at before the search
            task.cancel()

    crowd = Crowd(world, at_opening=cancel_at_the_ninth)
    run = SearchRun(config, theorems, tmp_path, observer=observer, opening=toy_bench(world, environment=crowd))
    task = asyncio.create_task(run.run())
    with pytest.raises(asyncio.CancelledError):
        await task
    kept = outcomes(tmp_path)
    assert list(kept) == [f"n{value}" for value in range(1, 7)], "what was found is kept; two others were under way"
    told = {each.theorem.name for each in ended_in(observer.events)}
    assert told <= kept.keys()
    await SearchRun(config, theorems, tmp_path, resume=True, opening=toy_bench(world)).run()
    assert outcomes(tmp_path) == {theorem.name: "proved" for theorem in theorems}


async def test_no_more_theorems_run_at_once_than_asked_for(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench
) -> None:
    crowd = Crowd(world)
    await SearchRun(config, numbers(*range(1, 20)), tmp_path, opening=toy_bench(world, environment=crowd)).run()
    assert crowd.largest == config.concurrency


@attrs.define
class Crowd:
    """An environment that counts how many proofs are open at once, and lets others open theirs."""

    world: ToyWorld
    at_opening: Callable[[Theorem], object] = lambda _: None
    now: int = 0
    largest: int = 0

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[ToySession]:
        self.now += 1
        self.largest = max(self.largest, self.now)
        self.at_opening(theorem)
        await asyncio.sleep(0)
        async with self.world.open(theorem) as session:
            yield session
        self.now -= 1


async def test_an_earlier_runs_folder_is_not_touched_without_resume(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench
) -> None:
    await SearchRun(config, numbers(1), tmp_path, opening=toy_bench(world)).run()
    with pytest.raises(ConfigError, match="--resume"):
        await SearchRun(config, numbers(1), tmp_path, opening=toy_bench(world)).run()


async def test_a_run_with_other_settings_cannot_be_resumed(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench
) -> None:
    await SearchRun(config, numbers(1), tmp_path, opening=toy_bench(world)).run()
    other = attrs.evolve(config, seed=1)
    with pytest.raises(ConfigError, match=r"\$\.seed"):
        await SearchRun(other, numbers(1, 2), tmp_path, resume=True, opening=toy_bench(world)).run()
    saved = read_run_config(tmp_path / "config.toml")
    assert saved == config
    more_at_once = attrs.evolve(config, concurrency=7)
    await SearchRun(more_at_once, numbers(1, 2), tmp_path, resume=True, opening=toy_bench(world)).run()


@pytest.mark.parametrize(
    "policy",
    [
        {"adapter": "round-2"},
        {"top_p": 0.9},
        {"prompt_format": "prefix"},
        {"max_state_chars": 300},
        {"url": "http://h:1"},
    ],
)
async def test_a_run_that_asks_the_policy_otherwise_cannot_be_resumed(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench, policy: dict[str, Any]
) -> None:
    await SearchRun(config, numbers(1), tmp_path, opening=toy_bench(world)).run()
    other = attrs.evolve(config, policy=attrs.evolve(config.policy, **policy))
    with pytest.raises(ConfigError, match=r"uses_embedded_server" if "url" in policy else next(iter(policy))):
        await SearchRun(other, numbers(1, 2), tmp_path, resume=True, opening=toy_bench(world)).run()


async def test_going_on_all_the_same_is_written_down_and_then_goes_on_by_itself(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench
) -> None:
    other = attrs.evolve(config, scorer=CumulativeLogProb())
    await SearchRun(config, numbers(1), tmp_path, opening=toy_bench(world)).run()
    assert summarise_run(tmp_path).resumed_despite == ()
    await SearchRun(other, numbers(1, 2), tmp_path, resume_anyway=True, opening=toy_bench(world)).run()
    await SearchRun(other, numbers(1, 2, 3), tmp_path, resume=True, opening=toy_bench(world)).run()
    assert outcomes(tmp_path) == {"n1": "proved", "n2": "proved", "n3": "proved"}
    assert summarise_run(tmp_path).resumed_despite == (
        "$.config.scorer.alpha: nothing, not 0.5",
        "$.config.scorer.kind: 'cumulative', not 'length_normalised'",
    )
    with pytest.raises(ConfigError, match=r"\$\.config\.scorer"):
        await SearchRun(config, numbers(1, 2, 3, 4), tmp_path, resume=True, opening=toy_bench(world)).run()


@pytest.mark.parametrize("change", [{"context": "def x := 1"}, {"header": "open Nat"}, {"statement": "3"}])
async def test_a_theorem_that_says_something_else_is_not_taken_for_done(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench, change: dict[str, str]
) -> None:
    (theorem,) = numbers(1)
    await SearchRun(config, [theorem], tmp_path, opening=toy_bench(world)).run()
    theorems = [attrs.evolve(theorem, **change), *numbers(2)]
    with pytest.raises(ConfigError, match="other theorems of these names") as refused:
        await SearchRun(config, theorems, tmp_path, resume=True, opening=toy_bench(world)).run()
    assert list(refused.value.problems) == ["another statement, header or context @ n1"]
    assert outcomes(tmp_path) == {"n1": "proved"}
    await SearchRun(config, theorems, tmp_path, resume_anyway=True, opening=toy_bench(world)).run()
    assert outcomes(tmp_path) == {"n1": "proved", "n2": "proved"}


async def test_what_cannot_be_read_is_refused_before_anything_starts_also_if_it_is_to_go_on_anyway(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench
) -> None:
    await SearchRun(config, numbers(1), tmp_path, opening=toy_bench(world)).run()
    (tmp_path / "trajectory" / "part-000000.parquet").write_bytes(b"damaged")
    with pytest.raises(TrajectoryError, match="cannot be read"):
        SearchRun(config, numbers(1, 2), tmp_path, resume_anyway=True).check()


async def test_names_must_be_unique(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench
) -> None:
    with pytest.raises(ConfigError, match="'n1' occurs more than once"):
        await SearchRun(config, numbers(1, 1), tmp_path, opening=toy_bench(world)).run()


RUN = RunInfo(run_id="r", started_unix_s=0.0, seed=7, backend="toy", lean_version="toy", leanebm_version="0", config={})


async def searched(seed: int, max_expansions: int) -> SearchResult:
    world = ToyWorld.seeded(seed)
    search = BestFirstSearch(
        policy=ScriptedPolicy.over(world),
        scorer=CumulativeLogProb(),
        environment=world,
        certifier=ToyCertifier(world),
        config=SearchConfig(budget=SearchBudget(max_expansions=max_expansions)),
    )
    return await search.run(Theorem(name="t", statement="s0"))


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 60))
async def test_any_search_becomes_a_tree_of_rows(seed: int, max_expansions: int) -> None:
    result = await searched(seed, max_expansions)
    record = record_of(result, RUN, started_unix_s=1.0)
    rows = rows_of(result, RUN, started_unix_s=1.0)
    assert record.outcome is result.outcome
    assert (record.nodes, record.tactic_calls) == (len(rows), sum(len(row.attempts) for row in rows))
    assert [row.node for row in rows] == list(range(len(rows)))
    for row in rows[1:]:
        assert rows[row.parent].depth == row.depth - 1
        assert row.tactic in [attempt.tactic for attempt in rows[row.parent].attempts]
    assert rows[0].parent == -1


async def test_the_proof_path_counts_down_to_its_end() -> None:
    results = [await searched(seed, 60) for seed in range(30)]
    proved = [result for result in results if result.certificate is not None]
    assert proved
    for result in proved:
        assert result.certificate is not None
        path = [row for row in rows_of(result, RUN, started_unix_s=0.0) if row.on_proof_path]
        path.sort(key=lambda row: row.depth)
        assert tuple(row.tactic for row in path[1:]) == result.certificate.tactics
        assert [row.remaining_depth for row in path] == list(reversed(range(len(path))))
        assert all(row.remaining_depth == -1 for row in rows_of(result, RUN, started_unix_s=0.0) if row not in path)


async def test_a_theorem_that_could_not_be_opened_is_a_record_without_rows() -> None:
    class Gone:
        def open(self, _: Theorem) -> object:
            raise WorkerDied("gone")

    from leanebm.errors import WorkerDied

    world = ToyWorld.countdown(2)
    search = BestFirstSearch(
        policy=ScriptedPolicy.over(world),
        scorer=CumulativeLogProb(),
        environment=Gone(),  # type: ignore[arg-type]
        certifier=ToyCertifier(world),
    )
    result = await search.run(Theorem(name="t", statement="1"))
    record = record_of(result, RUN, started_unix_s=0.0)
    assert rows_of(result, RUN, started_unix_s=0.0) == []
    assert (record.outcome, record.error_kind, record.error) == ("infrastructure", "WorkerDied", "gone")
