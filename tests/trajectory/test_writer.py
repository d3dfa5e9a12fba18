from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pyarrow as pa
import pytest

from leanebm.errors import TrajectoryError
from leanebm.trajectory import (
    RunInfo,
    Shard,
    TrajectoryWriter,
    TrajectoryWriterConfig,
    read_trajectory,
)

MakeRun = Callable[..., RunInfo]
MakeTheorem = Callable[..., Any]
AT_ONCE = TrajectoryWriterConfig(max_wait_s=0.0)
NEVER = TrajectoryWriterConfig(max_wait_s=1e6)


def shards(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("part-*"))


async def test_write_returns_when_the_theorem_is_on_the_disk(
    tmp_path: Path, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    path = tmp_path / "made" / "on demand"
    async with TrajectoryWriter(path, run=make_run(), config=AT_ONCE) as writer:
        assert writer.completed() == frozenset()
        await writer.write(*make_theorem("t1"))
        assert [record.theorem.name for record in read_trajectory(path).records] == ["t1"]
        assert writer.completed() == {"t1"}


async def test_theorems_that_finish_together_share_a_shard(
    tmp_path: Path, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    config = TrajectoryWriterConfig(max_rows=9, max_wait_s=1e6)
    async with TrajectoryWriter(tmp_path, run=make_run(), config=config) as writer:
        async with asyncio.TaskGroup() as group:
            for i in range(6):
                group.create_task(writer.write(*make_theorem(f"t{i}", num_rows=3)))
        assert shards(tmp_path) == ["part-000000.parquet", "part-000001.parquet"]
    assert {record.theorem.name for record in read_trajectory(tmp_path).records} == {f"t{i}" for i in range(6)}


async def test_a_large_theorem_is_never_divided(tmp_path: Path, make_run: MakeRun, make_theorem: MakeTheorem) -> None:
    config = TrajectoryWriterConfig(max_rows=5, max_wait_s=1e6)
    async with TrajectoryWriter(tmp_path, run=make_run(), config=config) as writer:
        await writer.write(*make_theorem("large", num_rows=50))
    [shard] = read_trajectory(tmp_path).shards
    assert shard.table().num_rows == 50


async def test_leaving_writes_what_is_left_even_if_nobody_waits(
    tmp_path: Path, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    async with TrajectoryWriter(tmp_path, run=make_run(), config=NEVER) as writer:
        waiting = asyncio.create_task(writer.write(*make_theorem("t1")))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert writer.completed() == frozenset()
    assert writer.completed() == {"t1"}
    assert [record.theorem.name for record in read_trajectory(tmp_path).records] == ["t1"]


async def test_an_error_in_the_block_does_not_cost_what_was_found(
    tmp_path: Path, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    async def search() -> None:
        async with TrajectoryWriter(tmp_path, run=make_run(), config=NEVER) as writer, asyncio.TaskGroup() as group:
            group.create_task(writer.write(*make_theorem("t1")))
            await asyncio.sleep(0)  # so that it is handed over
            raise KeyError("the search has a bug")

    with pytest.raises(ExceptionGroup):
        await search()
    assert [record.theorem.name for record in read_trajectory(tmp_path).records] == ["t1"]


async def test_a_theorem_without_nodes_is_recorded(
    tmp_path: Path, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    async with TrajectoryWriter(tmp_path, run=make_run(), config=AT_ONCE) as writer:
        await writer.write(*make_theorem("t1", "infrastructure", num_rows=0))
    trajectory = read_trajectory(tmp_path)
    assert [record.error for record in trajectory.records] == ["it died"]
    assert list(trajectory.rows()) == []


# --- resuming -----------------------------------------------------------------------------------


async def test_a_second_run_goes_on_where_the_first_ended(
    tmp_path: Path, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    async with TrajectoryWriter(tmp_path, run=make_run("run-1"), config=AT_ONCE) as writer:
        await writer.write(*make_theorem("t1"))
        await writer.write(*make_theorem("t2", "infrastructure"))
    async with TrajectoryWriter(tmp_path, run=make_run("run-2"), config=AT_ONCE) as writer:
        assert writer.completed() == {"t1"}, "a lost search is to be repeated"
        await writer.write(*make_theorem("t2", "proved", run_id="run-2"))
        assert writer.completed() == {"t1", "t2"}
    assert shards(tmp_path) == [f"part-{i:06d}.parquet" for i in range(3)]


async def test_other_settings_are_refused_with_every_difference(
    tmp_path: Path, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    async with TrajectoryWriter(tmp_path, run=make_run(max_nodes=100), config=AT_ONCE) as writer:
        await writer.write(*make_theorem("t1"))
    with pytest.raises(TrajectoryError, match=r"max_nodes: 200, not 100[\s\S]*seed: 1, not 0"):
        async with TrajectoryWriter(tmp_path, run=make_run(max_nodes=200, seed=1)):
            pytest.fail("it must not be entered")
    async with TrajectoryWriter(tmp_path, run=make_run("run-2", max_nodes=100)) as writer:
        assert writer.completed() == {"t1"}, "the refusal has released the directory"


async def test_damaged_shards_are_refused(tmp_path: Path, make_run: MakeRun) -> None:
    (tmp_path / "part-000000.parquet").write_bytes(b"not parquet")
    with pytest.raises(TrajectoryError, match=r"part-000000\.parquet"):
        async with TrajectoryWriter(tmp_path, run=make_run()):
            pytest.fail("it must not be entered")


async def test_leftovers_of_a_killed_run_are_swept_up(tmp_path: Path, make_run: MakeRun) -> None:
    leftover = tmp_path / ".part-000003.tmp"
    leftover.write_bytes(b"half a shard")
    async with TrajectoryWriter(tmp_path, run=make_run()):
        assert not leftover.exists()


async def test_a_directory_has_one_writer(tmp_path: Path, make_run: MakeRun) -> None:
    async with TrajectoryWriter(tmp_path, run=make_run()):
        with pytest.raises(TrajectoryError, match="another process is writing"):
            async with TrajectoryWriter(tmp_path, run=make_run()):
                pytest.fail("it must not be entered")
    async with TrajectoryWriter(tmp_path, run=make_run()):
        pass


async def test_a_file_in_the_way_is_named(tmp_path: Path, make_run: MakeRun) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrajectoryError, match="file cannot be written to"):
        async with TrajectoryWriter(tmp_path / "file", run=make_run()):
            pytest.fail("it must not be entered")


# --- misuse and failures ------------------------------------------------------------------------


async def test_misuse_is_refused_before_anything_is_written(
    tmp_path: Path, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    record, rows = make_theorem("t1")
    async with TrajectoryWriter(tmp_path, run=make_run(), config=AT_ONCE) as writer:
        with pytest.raises(ValueError, match="another run's id"):
            await writer.write(*make_theorem("t1", run_id="run-9"))
        with pytest.raises(ValueError, match="another run's id"):
            await writer.write(record, [attrs.evolve(rows[0], run_id="run-9")])
        with pytest.raises(ValueError, match="rows of another theorem"):
            await writer.write(record, [attrs.evolve(rows[0], theorem="t2")])
        assert shards(tmp_path) == []
        await writer.write(record, rows)
        with pytest.raises(ValueError, match="in the trajectory already"):
            await writer.write(record, rows)
    with pytest.raises(TrajectoryError, match="not open"):
        await writer.write(*make_theorem("t2"))


@pytest.mark.parametrize("failure", [OSError("no space left"), pa.ArrowInvalid("too large")])
async def test_a_full_disk_is_told_to_those_who_wait_and_the_writer_lives_on(
    tmp_path: Path, make_run: MakeRun, make_theorem: MakeTheorem, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(*_: object) -> None:
        raise failure

    async with TrajectoryWriter(tmp_path, run=make_run(), config=AT_ONCE) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(Shard, "write", fail)
            with pytest.raises(TrajectoryError, match="could not be written") as caught:
                await writer.write(*make_theorem("t1"))
        assert caught.value.__cause__ is failure
        assert writer.completed() == frozenset()
        await writer.write(*make_theorem("t1"))
        assert writer.completed() == {"t1"}


def test_settings_are_checked_when_they_are_made() -> None:
    with pytest.raises(ValueError, match="max_rows"):
        TrajectoryWriterConfig(max_rows=0)
    with pytest.raises(ValueError, match="max_wait_s"):
        TrajectoryWriterConfig(max_wait_s=-1.0)


# --- kill -9 ------------------------------------------------------------------------------------

VICTIM = """
import asyncio, sys
import attrs
from leanebm.core import Theorem
from leanebm.trajectory import RunInfo, TheoremRecord, TrajectoryRow, TrajectoryWriter, TrajectoryWriterConfig

run = RunInfo(run_id=sys.argv[2], started_unix_s=0.0, seed=0, backend="toy", lean_version="none",
              leanebm_version="0", config={})
row = TrajectoryRow(run_id=run.run_id, theorem="", statement="s", outcome="exhausted", node=0, parent=-1,
                    state_key="k", state_text="t", num_goals=1, tactic=None, log_prob=0.0, path_log_prob=0.0,
                    priority=0.0, depth=0, remaining_depth=-1, on_proof_path=False, status="dead",
                    started_unix_s=0.0, found_s=0.0, tactic_s=0.0, worker_epoch=0, backend="toy", seed=0)

async def search(writer, name):
    record = TheoremRecord(theorem=Theorem(name=name, statement="s"), run_id=run.run_id, outcome="exhausted",
                           started_unix_s=0.0, nodes=50, expansions=50, tactic_calls=0, wall_s=0.0)
    await writer.write(record, [attrs.evolve(row, theorem=name, node=i) for i in range(50)])
    print(name, flush=True)  # this is what was reported

async def main():
    config = TrajectoryWriterConfig(max_wait_s=0.0)
    async with TrajectoryWriter(sys.argv[1], run=run, config=config) as writer:
        done = writer.completed()
        for i in range(0, 1_000_000, 3):
            names = [f"t{j}" for j in range(i, i + 3) if f"t{j}" not in done]
            await asyncio.gather(*(search(writer, name) for name in names))

asyncio.run(main())
"""


def test_a_run_that_is_killed_has_lost_nothing_that_it_reported(tmp_path: Path) -> None:
    reported: list[str] = []
    for attempt, num_lines in enumerate([1, 7, 12]):
        with subprocess.Popen(
            [sys.executable, "-c", VICTIM, str(tmp_path), f"run-{attempt}"], stdout=subprocess.PIPE, text=True
        ) as victim:
            assert victim.stdout is not None
            reported += [victim.stdout.readline().strip() for _ in range(num_lines)]
            victim.send_signal(signal.SIGKILL)
            reported += victim.stdout.read().split()
        assert victim.returncode == -signal.SIGKILL

        trajectory = read_trajectory(tmp_path)
        names = [record.theorem.name for record in trajectory.records]
        assert set(reported) <= set(names)
        assert len(reported) == len(set(reported)), "a resumed run does not repeat what is done"
        per_theorem = trajectory.table().group_by("theorem").aggregate([("node", "count")])
        assert dict(zip(*(column.to_pylist() for column in per_theorem.columns), strict=True)) == dict.fromkeys(
            names, 50
        )
