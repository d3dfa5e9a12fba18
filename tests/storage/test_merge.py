from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from leanebm.errors import ConfigError, TrajectoryError
from leanebm.storage import RunInfo, ShardFormat, ShardWriter, ShardWriterConfig, merge_shards, read_shards

MakeRun = Callable[..., RunInfo]
MakeTheorem = Callable[..., Any]
Format = ShardFormat[Any, Any]
Write = Callable[..., Any]


@pytest.fixture
def write(shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem) -> Write:
    """``await write(folder, "run-1", "t1", "t2?", part="a")``: a shard for each; what has a ``?`` was lost."""

    async def write(folder: Path, run_id: str, *names: str, part: str | None = None, seed: int = 0) -> None:
        run, config = make_run(run_id, seed=seed), ShardWriterConfig(max_rows=1)
        async with ShardWriter(folder, shard_format, run=run, config=config, part=part) as writer:
            for name in names:
                await writer.write(*make_theorem(name.strip("?"), is_final="?" not in name, run_id=run_id))

    return write


def found(folder: Path, shard_format: Format) -> dict[str, str]:
    return {record.theorem.name: record.run_id for record in read_shards(folder, shard_format).records}


async def test_parts_become_the_folders_own_and_the_same_records_count(
    tmp_path: Path, shard_format: Format, write: Write
) -> None:
    await write(tmp_path, "run-0", "t0", "t1?")
    await write(tmp_path, "run-b", "t3", "t2", part="b")
    await write(tmp_path, "run-a", "t1", part="a")
    before = read_shards(tmp_path, shard_format)
    rows = list(before.rows())
    for _ in range(2):
        merge_shards([tmp_path], tmp_path, shard_format)
        after = read_shards(tmp_path, shard_format)
        assert after.records == before.records
        assert list(after.rows()) == rows
        assert [path.name for path in sorted(tmp_path.iterdir())] == [
            ".lock",
            *(f"part-00000{number}.parquet" for number in range(5)),
        ]
    await write(tmp_path, "run-9", "t4")
    assert found(tmp_path, shard_format).keys() == {"t0", "t1", "t2", "t3", "t4"}


async def test_other_folders_are_copied_and_a_theorem_counts_once(
    tmp_path: Path, shard_format: Format, write: Write
) -> None:
    await write(tmp_path / "a", "run-a", "t1", "t2?")
    await write(tmp_path / "b", "run-b", "t1", "t2", part="w")
    merge_shards([tmp_path / "a", tmp_path / "b", tmp_path / "a"], tmp_path / "c", shard_format)
    assert found(tmp_path / "c", shard_format) == {"t1": "run-a", "t2": "run-b"}
    assert len(list(read_shards(tmp_path / "c", shard_format).rows())) == 3 + 3
    assert len(list((tmp_path / "c").glob("**/*.parquet"))) == 4, "what is there is not copied again"
    assert found(tmp_path / "b", shard_format) == {"t1": "run-b", "t2": "run-b"}, "it stays as it was"


async def test_a_merge_that_was_killed_can_be_done_again(
    tmp_path: Path, shard_format: Format, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(tmp_path, "run-a", "t1", "t2", part="a")
    await write(tmp_path, "run-b", "t3", "t4", part="b")
    expected, replace = found(tmp_path, shard_format), Path.replace
    for moves in (1, 2):

        def stumble(path: Path, target: Path, left: list[None] = [None] * moves) -> Path:
            if not left:
                raise OSError("no more")
            left.pop()
            return replace(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", stumble)
            with pytest.raises(TrajectoryError, match="could not be written: no more"):
                merge_shards([tmp_path], tmp_path, shard_format)
        assert found(tmp_path, shard_format) == expected
    merge_shards([tmp_path], tmp_path, shard_format)
    assert found(tmp_path, shard_format) == expected
    assert not list(tmp_path.glob("*/"))


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_who_was_first_counts_afterwards_too_also_when_no_order_of_shards_says_so(
    tmp_path: Path,
    shard_format: Format,
    make_run: MakeRun,
    make_theorem: MakeTheorem,
    monkeypatch: pytest.MonkeyPatch,
    elsewhere: bool,
) -> None:
    config = ShardWriterConfig(max_rows=6, max_wait_s=1e6)
    async with AsyncExitStack() as stack:
        writers = [
            await stack.enter_async_context(
                ShardWriter(tmp_path / "run", shard_format, run=make_run(part), config=config, part=part)
            )
            for part in "ab"
        ]
        for name in ("t1", "t2"):  # in one shard; each is to be first with one of them
            for writer, part in zip(writers, "ab", strict=True):
                writer.hand_over(*make_theorem(name, run_id=part))
    for name, part in (("t1", "a"), ("t2", "b")):
        (tmp_path / "run" / ".first" / f"{name}.0").write_text(part)
    folder = tmp_path / ("merged" if elsewhere else "run")
    expected = {"t1": "a", "t2": "b"}
    rows = sorted(map(repr, read_shards(tmp_path / "run", shard_format).rows()))
    replace = Path.replace
    for moves in range(4):

        def stumble(path: Path, target: Path, left: list[None] = [None] * moves) -> Path:
            if not left:
                raise OSError("no more")
            left.pop()
            return replace(path, target)

        with monkeypatch.context() as patch, contextlib.suppress(TrajectoryError):
            patch.setattr(Path, "replace", stumble)
            merge_shards([tmp_path / "run"], folder, shard_format)
        assert found(tmp_path / "run", shard_format) == expected
    for _ in range(2):
        merge_shards([tmp_path / "run"], folder, shard_format)
        assert found(folder, shard_format) == expected
        assert sorted(map(repr, read_shards(folder, shard_format).rows())) == rows
        assert not list(folder.glob("*/"))


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_what_came_after_it_was_given_up_is_not_lost_and_counts_once_the_folder_is_merged(
    tmp_path: Path, shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem, elsewhere: bool
) -> None:
    run, folder = tmp_path / "run", tmp_path / ("merged" if elsewhere else "run")
    async with AsyncExitStack() as stack:
        loser, late, later = [
            await stack.enter_async_context(ShardWriter(run, shard_format, run=make_run(part), part=part))
            for part in "abc"
        ]
        await loser.write(*make_theorem("t1", run_id="a", is_final=False))
        read_shards(run, shard_format).give_up(["t1"])
        await late.write(*make_theorem("t1", run_id="b"))
        await later.write(*make_theorem("t1", run_id="c"))
    assert found(run, shard_format) == {"t1": "a"}
    for _ in range(2):
        merge_shards([run], folder, shard_format)
        assert found(folder, shard_format) == {"t1": "b"}
        written = [entry for shard in read_shards(folder, shard_format).shards for entry in shard.final_entries]
        assert written == [("b", "t1")]


async def test_unlike_runs_are_refused_with_every_difference(
    tmp_path: Path, shard_format: Format, write: Write
) -> None:
    await write(tmp_path / "a", "run-a", "t1")
    await write(tmp_path / "b", "run-b", "t2", seed=1)
    with pytest.raises(ConfigError, match=r"unlike runs[\s\S]*seed: 0, not 1"):
        merge_shards([tmp_path / "a", tmp_path / "b"], tmp_path / "c", shard_format)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("part", ["a", None])
async def test_nothing_is_moved_from_under_a_writer(
    tmp_path: Path, shard_format: Format, write: Write, make_run: MakeRun, part: str | None
) -> None:
    await write(tmp_path, "run-a", "t1", part="a")
    async with ShardWriter(tmp_path, shard_format, run=make_run(), part=part):
        with pytest.raises(TrajectoryError, match="another process is writing"):
            merge_shards([tmp_path], tmp_path, shard_format)


async def test_what_is_not_merged_is_not_removed(tmp_path: Path, shard_format: Format, write: Write) -> None:
    await write(tmp_path, "run-a", "t1", part="a")
    await write(tmp_path / "b", "run-b", "t2", part="deeper")
    (tmp_path / "a" / "notes.txt").write_text("mine")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "notes.txt").write_text("mine")
    for _ in range(2):
        merge_shards([tmp_path], tmp_path, shard_format)
        assert found(tmp_path, shard_format) == {"t1": "run-a"}
        assert found(tmp_path / "b", shard_format) == {"t2": "run-b"}
        assert len(list(tmp_path.glob("*/notes.txt"))) == 2
        assert not (tmp_path / "a" / ".lock").exists()


async def test_workers_that_found_nothing_leave_what_they_signed_with(
    tmp_path: Path, shard_format: Format, write: Write
) -> None:
    for part in "ab":
        await write(tmp_path / "of-workers", f"run-{part}", part=part)
    for into in (tmp_path / "one", tmp_path / "of-workers"):
        for _ in range(2):
            merge_shards([tmp_path / "of-workers"], into, shard_format)
            assert [run.run_id for run in read_shards(into, shard_format).runs] == ["run-a"]
            assert found(into, shard_format) == {}
        await write(into, "run-c", "t1", part="c")


async def test_what_is_done_at_the_end_is_done_alone(tmp_path: Path, shard_format: Format, write: Write) -> None:
    await write(tmp_path, "run-a", "t1", part="a")

    def finish() -> None:
        with pytest.raises(TrajectoryError, match="another process is writing"):
            merge_shards([tmp_path], tmp_path, shard_format)
        assert not list(tmp_path.glob("*/"))
        (tmp_path / "finished").touch()

    merge_shards([tmp_path], tmp_path, shard_format, finish=finish)
    assert (tmp_path / "finished").exists()


async def test_a_worker_that_joins_during_a_merge_waits_for_its_end(
    tmp_path: Path, shard_format: Format, write: Write
) -> None:
    await write(tmp_path, "run-a", "t1", part="a")
    loop, joining = asyncio.get_running_loop(), list[Future[None]]()

    def finish() -> None:
        joining.append(asyncio.run_coroutine_threadsafe(write(tmp_path, "run-b", "t2", part="b"), loop))
        with pytest.raises(TimeoutError):
            joining[0].result(0.3)
        assert not list(tmp_path.glob("*/"))

    await asyncio.to_thread(merge_shards, [tmp_path], tmp_path, shard_format, finish=finish)
    await asyncio.wrap_future(joining[0])
    assert found(tmp_path, shard_format) == {"t1": "run-a", "t2": "run-b"}
