from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path

import attrs
import pytest
import toy_workers as toy
from late_engine import LateEngine, five_died_at
from letters_job import LettersJob
from toy_workers import THEOREMS, toy_worker

from leanebm.core import Theorem
from leanebm.errors import ConfigError
from leanebm.pipeline import LocalEngine, LogObserver, SearchRun, ShardsEngine, Share, merge, summarise_run
from leanebm.trajectory import read_trajectory


@pytest.fixture(scope="session")
async def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """How each theorem ends in a run of one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    await toy_worker(folder, LocalEngine()).run()
    found = outcomes(folder)
    assert len(set(found.values())) > 1, "some are proved, and some are not"
    return found


def outcomes(folder: Path) -> dict[str, str]:
    return {record.theorem.name: record.outcome for record in summarise_run(folder).records}


def searches(folder: Path) -> Counter[str]:
    """How many times a search of each theorem was written down."""
    return Counter(record.theorem.name for shard in read_trajectory(folder).shards for record in shard.records)


async def there_is(folder: Path, pattern: str) -> None:
    while not any(folder.glob(pattern)):  # noqa: ASYNC110 - another part of the program makes the file
        await asyncio.sleep(0.01)


# --- shares ---


@pytest.mark.parametrize(("items", "of"), [*itertools.product([0, 1, 7, 40], [1, 3, 16])])
def test_shares_are_dealt_out_and_each_item_is_in_one(items: int, of: int) -> None:
    dealt = [Share(number, of).of_all(range(items)) for number in range(1, of + 1)]
    assert sorted(itertools.chain(*dealt)) == list(range(items))
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1
    assert all(later - earlier == of for share in dealt for earlier, later in itertools.pairwise(share))


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "3", "a/b", "-1/4", "1/4/5", "", "٣/٤", "9999999/9999999"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--shard"):
        Share.parse(text)
    assert Share.parse("3/16") == Share(3, 16)


async def test_a_share_is_worked_on_and_nothing_else(tmp_path: Path) -> None:
    job = LettersJob("abcdefg", tmp_path, written="d")
    ended = await ShardsEngine(share=Share(1, 3)).run(job, LogObserver())
    assert [one.name for one in ended] == ["a", "g"]
    assert job.parts == ["shard-1-of-3"]


async def test_shares_in_one_folder_make_one_run_and_each_is_gone_on_with(
    tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    for number in (2, 1, 3, 2):  # the second one twice
        await toy_worker(tmp_path, ShardsEngine(share=Share(number, 3))).run()
    assert outcomes(tmp_path) == undisturbed
    assert searches(tmp_path) == dict.fromkeys(undisturbed, 1)


async def test_a_share_whose_statements_are_all_refused_is_an_error(tmp_path: Path) -> None:
    theorems = [Theorem(name="bad", statement="no number"), THEOREMS[0]]
    for number, refused in ((2, False), (1, True)):
        engine = ShardsEngine(share=Share(number, 2))
        run = SearchRun(toy.CONFIG, theorems, tmp_path, engine=engine, opening=toy.open_slow)
        with pytest.raises(ConfigError, match="refused every statement") if refused else nullcontext():
            await run.run()


# --- claims ---


async def test_workers_on_one_folder_do_each_theorem_once(
    tmp_path: Path, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leanebm.pipeline.engines.shards_engine.BEATS_TO_EXPIRE", 1000)  # none is taken for dead
    summaries = await asyncio.gather(*(toy_worker(tmp_path, ShardsEngine(expires_s=300.0)).run() for _ in range(3)))
    assert outcomes(tmp_path) == undisturbed
    assert searches(tmp_path) == dict.fromkeys(undisturbed, 1)
    assert [summary.totals.attempted for summary in summaries] == [len(THEOREMS)] * 3, (
        "who is early waits for the others"
    )
    assert len({shard.path.parent for shard in read_trajectory(tmp_path).shards}) == 3


async def test_a_worker_that_comes_late_finds_nothing_to_do_and_the_folder_can_be_resumed(tmp_path: Path) -> None:
    await toy_worker(tmp_path).run()
    found = searches(tmp_path)
    await toy_worker(tmp_path).run()
    resumed = SearchRun(toy.CONFIG, THEOREMS, tmp_path, resume=True, opening=toy.open_slow)
    await resumed.run()
    assert searches(tmp_path) == found


async def test_a_statement_that_was_refused_is_searched_once_it_is_mended(tmp_path: Path) -> None:
    def worker(statement: str) -> SearchRun:
        theorems = [Theorem(name="mended", statement=statement), THEOREMS[1]]
        return SearchRun(toy.CONFIG, theorems, tmp_path, engine=ShardsEngine(), opening=toy.open_slow)

    for _ in range(2):
        run = worker("no number")
        await run.run()
        assert [refusal.rpartition(" @ ")[2] for refusal in run.refusals] == ["mended"]
    await worker("3").run()
    assert outcomes(tmp_path).keys() == {"mended", THEOREMS[1].name}


async def test_what_was_deleted_is_searched_again(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    await toy_worker(tmp_path).run()
    for path in tmp_path.glob("trajectory/*/part-000001.parquet"):
        path.unlink()
    assert outcomes(tmp_path) != undisturbed
    await toy_worker(tmp_path).run()
    assert outcomes(tmp_path) == undisturbed


async def test_unlike_workers_are_refused(tmp_path: Path) -> None:
    await toy_worker(tmp_path, ShardsEngine(share=Share(1, 16))).run()
    other = attrs.evolve(toy.CONFIG, seed=1)
    with pytest.raises(ConfigError, match=r"seed: 1, not 0"):
        await SearchRun(other, THEOREMS, tmp_path, engine=ShardsEngine(), opening=toy.open_slow).run()


async def test_a_worker_that_is_stopped_leaves_its_claims_to_the_others(
    tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    stopped = asyncio.create_task(toy_worker(tmp_path, ShardsEngine(expires_s=1e6)).run())
    await there_is(tmp_path, "leases/*.0")
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    assert not list(tmp_path.glob("leases/workers/*"))
    await toy_worker(tmp_path, ShardsEngine(expires_s=1e6)).run()
    assert outcomes(tmp_path) == undisturbed


async def test_what_takes_longest_is_claimed_first(tmp_path: Path) -> None:
    job = LettersJob("abc", tmp_path, concurrency=1)
    await ShardsEngine(expected_s={"a": 1.0, "b": 3.0, "c": 2.0}).run(job, LogObserver())
    assert job.written == ["b", "c", "a"]


async def test_what_another_worker_has_finished_is_stopped(tmp_path: Path) -> None:
    job = LettersJob(["endless", "a"], tmp_path)
    working = asyncio.create_task(ShardsEngine(expires_s=0.3).run(job, LogObserver()))
    await there_is(tmp_path, "leases/endless.0")
    (tmp_path / "leases" / "endless.done").touch()
    assert [one.name for one in await working] == ["a"]


async def test_what_breaks_a_station_ends_the_worker(tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup, match="unhandled"):
        await ShardsEngine().run(LettersJob(["a", "broken", "b"], tmp_path), LogObserver())
    assert not list(tmp_path.glob("leases/workers/*"))


async def test_what_is_given_up_is_told_and_recorded_as_that(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    five_died_at(tmp_path, "b")
    job = LettersJob("abc", tmp_path)
    ended = await ShardsEngine().run(job, LogObserver())
    assert [(one.name, one.is_final) for one in ended if one.name != "b"] == [("a", True), ("c", True)]
    [given_up] = [one for one in ended if one.name == "b"]
    assert given_up.is_trouble
    assert given_up.line == "given up       b: given up: 5 workers claimed it, and died or lost it"
    assert [name for name, _ in job.given_up] == ["b"]
    assert "5 workers claimed it, and died or lost it: b. They are recorded as broken, not as unproved" in caplog.text


async def test_a_theorem_that_is_given_up_is_broken_and_not_unproved_and_a_merge_lets_it_be_tried_again(
    tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    five_died_at(tmp_path, "n5")
    for _ in range(2):
        summary = await toy_worker(tmp_path).run()
        assert outcomes(tmp_path) == undisturbed | {"n5": "infrastructure"}
        assert summary.totals.attempted == len(THEOREMS)
        assert summary.totals.infrastructure == 1
        assert searches(tmp_path) == dict.fromkeys(undisturbed, 1)
    [lost] = (record for record in read_trajectory(tmp_path).records if not record.is_final)
    assert (lost.error_kind, lost.error) == ("WorkerLost", "given up: 5 workers claimed it, and died or lost it")
    assert (lost.nodes, lost.expansions, lost.wall_s) == (0, 0, 0.0)
    assert not [row for row in read_trajectory(tmp_path).rows() if row.theorem == "n5"]
    merge([tmp_path])
    assert outcomes(tmp_path)["n5"] == "infrastructure"
    await toy_worker(tmp_path).run()
    assert outcomes(tmp_path) == undisturbed


async def test_what_a_worker_ends_that_was_taken_for_dead_does_not_change_a_run_that_is_over(
    tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    engine = LateEngine("n5")
    async with engine:
        summary = await toy_worker(tmp_path, engine).run()
        before, rows = runs_that_count(tmp_path), read_trajectory(tmp_path).table()
        await engine.end()
        assert summary.totals.infrastructure == 1
        assert runs_that_count(tmp_path) == before
        assert read_trajectory(tmp_path).table().equals(rows)
        assert (await toy_worker(tmp_path).run()).totals == summary.totals, "nor for one that joins later"
        assert runs_that_count(tmp_path) == before
    assert outcomes(tmp_path) == undisturbed | {"n5": "infrastructure"}
    assert outcomes(merge([tmp_path])) == undisturbed, "it is a result all the same"


async def test_several_workers_that_give_up_one_theorem_record_it_once_for_readers(
    tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    five_died_at(tmp_path, "n5")
    await asyncio.gather(*(toy_worker(tmp_path).run() for _ in range(3)))
    assert outcomes(tmp_path) == undisturbed | {"n5": "infrastructure"}
    assert len(read_trajectory(tmp_path).records) == len(THEOREMS)


# --- killing ---


def start(folder: Path, *how: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, toy.__file__, str(folder), *how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def runs_that_count(folder: Path) -> dict[str, str]:
    """Whose record of each theorem counts."""
    return {record.theorem.name: record.run_id for record in read_trajectory(folder).records}


async def test_what_a_worker_writes_after_another_one_is_done_does_not_count(
    tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    with start(tmp_path, "late") as late:
        assert late.stdout is not None
        while not late.stdout.readline().startswith("found"):
            assert late.poll() is None
        await toy_worker(tmp_path).run()
        before = runs_that_count(tmp_path)
        rows = read_trajectory(tmp_path).table()
        late.communicate("\n" * len(THEOREMS))
    assert late.returncode == 0
    assert max(searches(tmp_path).values()) == 2, "it wrote down what it had found"
    for _ in range(2):
        assert runs_that_count(tmp_path) == before
        assert read_trajectory(tmp_path).table().sort_by(BY_NODE).equals(rows.sort_by(BY_NODE))
        merge([tmp_path])
    assert outcomes(tmp_path) == undisturbed
    assert max(searches(tmp_path).values()) == 1
    assert left_over(tmp_path) == []


async def test_what_a_killed_worker_wrote_and_did_not_tell_of_counts_once_and_stays(
    tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    with start(tmp_path, "unmarked") as killed:
        killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    first = runs_that_count(tmp_path)
    assert first
    await toy_worker(tmp_path).run()
    assert runs_that_count(tmp_path).items() >= first.items()
    assert {mark.name for mark in tmp_path.glob("trajectory/.first/*")} == {f"{name}.0" for name in undisturbed}
    assert searches(tmp_path) == dict.fromkeys(undisturbed, 1)
    assert outcomes(merge([tmp_path])) == undisturbed


def test_workers_that_are_killed_cost_nothing_but_what_they_were_at(
    tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    chance = random.Random(14)  # noqa: S311 - when to kill
    with ExitStack() as stack:
        workers = [stack.enter_context(start(tmp_path)) for _ in range(2)]
        for _ in range(4):
            victim = workers.pop(0)
            assert victim.stdout is not None
            victim.stdout.readline()  # it searches
            try:
                victim.wait(chance.uniform(0.0, 0.8))
            except subprocess.TimeoutExpired:
                os.killpg(victim.pid, signal.SIGKILL)
            workers.append(stack.enter_context(start(tmp_path)))
        for worker in workers:
            worker.communicate()
            assert worker.returncode == 0
    assert outcomes(tmp_path) == undisturbed
    proofs = {name for name, outcome in undisturbed.items() if outcome == "proved"}
    assert {path.stem for path in tmp_path.glob("proofs/*.lean")} == proofs
    assert outcomes(merge([tmp_path])) == undisturbed
    assert left_over(tmp_path) == []


def left_over(folder: Path) -> Sequence[Path]:
    ours = {"leases", ".first"}
    return [path for path in folder.rglob("*") if path.name.endswith((".tmp", ".part")) or ours & {*path.parts}]


BY_NODE = [("theorem", "ascending"), ("node", "ascending")]
