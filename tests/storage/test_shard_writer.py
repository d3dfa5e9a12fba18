from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pyarrow as pa
import pytest

from leanebm.errors import ConfigError, TrajectoryError
from leanebm.storage import RunInfo, Shard, ShardFormat, ShardWriter, ShardWriterConfig, merge_shards, read_shards
from leanebm.storage.firsts import Firsts

MakeRun = Callable[..., RunInfo]
MakeTheorem = Callable[..., Any]
Format = ShardFormat[Any, Any]
Worker = Callable[[str], ShardWriter[Any, Any]]
AT_ONCE = ShardWriterConfig(max_wait_s=0.0)
NEVER = ShardWriterConfig(max_wait_s=1e6)


@pytest.fixture
def worker(tmp_path: Path, shard_format: Format, make_run: MakeRun) -> Worker:
    """A worker with a part, and a run, of this name."""
    return lambda name: ShardWriter(tmp_path, shard_format, run=make_run(name), config=AT_ONCE, part=name)


def shards(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("part-*"))


async def test_write_returns_when_the_theorem_is_on_the_disk(
    tmp_path: Path, shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    path = tmp_path / "made" / "on demand"
    async with ShardWriter(path, shard_format, run=make_run(), config=AT_ONCE) as writer:
        assert not writer.completed()
        await writer.write(*make_theorem("t1"))
        assert [record.theorem.name for record in read_shards(path, shard_format).records] == ["t1"]
        assert writer.completed().keys() == {"t1"}


async def test_theorems_that_finish_together_share_a_shard(
    tmp_path: Path, shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    config = ShardWriterConfig(max_rows=9, max_wait_s=1e6)
    async with ShardWriter(tmp_path, shard_format, run=make_run(), config=config) as writer:
        async with asyncio.TaskGroup() as group:
            for i in range(6):
                group.create_task(writer.write(*make_theorem(f"t{i}", num_rows=3)))
        assert shards(tmp_path) == ["part-000000.parquet", "part-000001.parquet"]
    assert {record.theorem.name for record in read_shards(tmp_path, shard_format).records} == {
        f"t{i}" for i in range(6)
    }


async def test_a_large_theorem_is_never_divided(
    tmp_path: Path, shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    config = ShardWriterConfig(max_rows=5, max_wait_s=1e6)
    async with ShardWriter(tmp_path, shard_format, run=make_run(), config=config) as writer:
        await writer.write(*make_theorem("large", num_rows=50))
    [shard] = read_shards(tmp_path, shard_format).shards
    assert shard.table().num_rows == 50


async def test_leaving_writes_what_is_left_even_if_nobody_waits(
    tmp_path: Path, shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    async with ShardWriter(tmp_path, shard_format, run=make_run(), config=NEVER) as writer:
        waiting = asyncio.create_task(writer.write(*make_theorem("t1")))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not writer.completed()
    assert writer.completed().keys() == {"t1"}
    assert [record.theorem.name for record in read_shards(tmp_path, shard_format).records] == ["t1"]


async def test_an_error_in_the_block_does_not_cost_what_was_found(
    tmp_path: Path, shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    async def search() -> None:
        async with (
            ShardWriter(tmp_path, shard_format, run=make_run(), config=NEVER) as writer,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(writer.write(*make_theorem("t1")))
            await asyncio.sleep(0)  # so that it is handed over
            raise KeyError("the search has a bug")

    with pytest.raises(ExceptionGroup):
        await search()
    assert [record.theorem.name for record in read_shards(tmp_path, shard_format).records] == ["t1"]


async def test_a_theorem_without_rows_is_recorded(
    tmp_path: Path, shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    async with ShardWriter(tmp_path, shard_format, run=make_run(), config=AT_ONCE) as writer:
        await writer.write(*make_theorem("t1", is_final=False, num_rows=0))
    found = read_shards(tmp_path, shard_format)
    assert [record.theorem.name for record in found.records] == ["t1"]
    assert list(found.rows()) == []


# --- resuming -----------------------------------------------------------------------------------


async def test_a_second_run_goes_on_where_the_first_ended(
    tmp_path: Path, shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    async with ShardWriter(tmp_path, shard_format, run=make_run("run-1"), config=AT_ONCE) as writer:
        await writer.write(*make_theorem("t1"))
        await writer.write(*make_theorem("t2", is_final=False))
    async with ShardWriter(tmp_path, shard_format, run=make_run("run-2"), config=AT_ONCE) as writer:
        assert writer.completed().keys() == {"t1"}, "a lost search is to be repeated"
        await writer.write(*make_theorem("t2", run_id="run-2"))
        assert writer.completed().keys() == {"t1", "t2"}
    assert shards(tmp_path) == [f"part-{i:06d}.parquet" for i in range(3)]


async def test_other_settings_are_refused_with_every_difference(
    tmp_path: Path, shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    async with ShardWriter(tmp_path, shard_format, run=make_run(max_expansions=100), config=AT_ONCE) as writer:
        await writer.write(*make_theorem("t1"))
    with pytest.raises(ConfigError, match=r"max_expansions: 200, not 100[\s\S]*seed: 1, not 0"):
        async with ShardWriter(tmp_path, shard_format, run=make_run(max_expansions=200, seed=1)):
            pytest.fail("it must not be entered")
    async with ShardWriter(tmp_path, shard_format, run=make_run("run-2", max_expansions=100)) as writer:
        assert writer.completed().keys() == {"t1"}, "the refusal has released the directory"


async def test_damaged_shards_are_refused(tmp_path: Path, shard_format: Format, make_run: MakeRun) -> None:
    (tmp_path / "part-000000.parquet").write_bytes(b"not parquet")
    with pytest.raises(TrajectoryError, match=r"part-000000\.parquet"):
        async with ShardWriter(tmp_path, shard_format, run=make_run()):
            pytest.fail("it must not be entered")


async def test_leftovers_of_a_killed_run_are_swept_up(tmp_path: Path, shard_format: Format, make_run: MakeRun) -> None:
    leftover = tmp_path / ".part-000003.parquet-0f.part"
    leftover.write_bytes(b"half a shard")
    async with ShardWriter(tmp_path, shard_format, run=make_run()):
        assert not leftover.exists()


async def test_a_directory_has_one_writer(tmp_path: Path, shard_format: Format, make_run: MakeRun) -> None:
    async with ShardWriter(tmp_path, shard_format, run=make_run()):
        with pytest.raises(TrajectoryError, match="another process is writing"):
            async with ShardWriter(tmp_path, shard_format, run=make_run()):
                pytest.fail("it must not be entered")
    async with ShardWriter(tmp_path, shard_format, run=make_run()):
        pass


async def test_a_file_in_the_way_is_named(tmp_path: Path, shard_format: Format, make_run: MakeRun) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file cannot be written to"):
        async with ShardWriter(tmp_path / "file", shard_format, run=make_run()):
            pytest.fail("it must not be entered")


# --- several workers in one directory -----------------------------------------------------------


async def test_workers_share_a_directory_and_each_sees_what_the_others_finished(
    tmp_path: Path, shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    async with (
        ShardWriter(tmp_path, shard_format, run=make_run("run-1"), config=AT_ONCE, part="a") as first,
        ShardWriter(tmp_path, shard_format, run=make_run("run-2"), config=AT_ONCE, part="b") as second,
    ):
        await second.write(*make_theorem("t2", run_id="run-2"))
        await first.write(*make_theorem("t1"))
    assert shards(tmp_path / "a") == shards(tmp_path / "b") == ["part-000000.parquet", "part-000001.parquet"]
    assert {record.theorem.name for record in read_shards(tmp_path, shard_format).records} == {"t1", "t2"}
    async with ShardWriter(tmp_path, shard_format, run=make_run("run-3"), config=AT_ONCE, part="a") as again:
        assert again.completed().keys() == {"t1", "t2"}
        await again.write(*make_theorem("t3", run_id="run-3"))
    async with ShardWriter(tmp_path, shard_format, run=make_run("run-4"), config=AT_ONCE) as whole:
        assert whole.completed().keys() == {"t1", "t2", "t3"}
    assert not shards(tmp_path), "a worker writes nowhere but in its part"


@pytest.mark.parametrize("order", [*itertools.permutations("abc")], ids="".join)
async def test_a_theorem_that_several_workers_finished_counts_once_for_the_first_of_them(
    tmp_path: Path, shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem, order: Sequence[str]
) -> None:
    def found() -> dict[str, str]:
        return {record.theorem.name: record.run_id for record in read_shards(tmp_path, shard_format).records}

    async with AsyncExitStack() as stack:
        writers = {
            part: await stack.enter_async_context(
                ShardWriter(tmp_path, shard_format, run=make_run(part), config=AT_ONCE, part=part)
            )
            for part in "abc"
        }
        for num_rows, part in enumerate(order, 3):
            await writers[part].write(*make_theorem("t1", run_id=part, num_rows=num_rows))
            assert found()["t1"] == order[0]
        await writers["a"].write(*make_theorem("t2", run_id="a", is_final=False, num_rows=1))
        await writers["c"].write(*make_theorem("t2", run_id="c", num_rows=2))
    assert found() == {"t1": order[0], "t2": "c"}
    assert len(list(read_shards(tmp_path, shard_format).rows())) == 3 + 2
    merge_shards([tmp_path], tmp_path, shard_format)
    assert found() == {"t1": order[0], "t2": "c"}
    assert len(list(read_shards(tmp_path, shard_format).rows())) == 3 + 2
    assert not list(tmp_path.glob("*/"))


@pytest.mark.parametrize("left", [None, b"", bytes(1), b"nobody"], ids=["no mark", "empty", "zeros", "damaged"])
async def test_what_was_written_but_not_marked_counts_from_when_somebody_went_by_it(
    left: bytes | None,
    tmp_path: Path,
    shard_format: Format,
    make_run: MakeRun,
    make_theorem: MakeTheorem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*_: object) -> None:
        if left is not None:
            (tmp_path / ".first").mkdir()
            (tmp_path / ".first" / "t1.0").write_bytes(left)
        raise TrajectoryError("killed")

    at_it = ShardWriter(tmp_path, shard_format, run=make_run("run-a"), config=AT_ONCE, part="a")
    async with at_it:
        async with ShardWriter(tmp_path, shard_format, run=make_run("run-b"), config=AT_ONCE, part="b") as writer:
            with monkeypatch.context() as patch:
                patch.setattr(Firsts, "put", killed)
                with pytest.raises(TrajectoryError, match="killed"):
                    await writer.write(*make_theorem("t1", run_id="run-b"))
        async with ShardWriter(tmp_path, shard_format, run=make_run("run-c"), config=AT_ONCE, part="c") as late:
            assert late.completed().keys() == {"t1"}
        await at_it.write(*make_theorem("t1", run_id="run-a"))
    [record] = read_shards(tmp_path, shard_format).records
    assert record.run_id == "run-b"


@pytest.mark.parametrize("left", [b"", bytes(1), b"nobody"], ids=["empty", "zeros", "damaged"])
async def test_the_first_of_two_counts_also_where_a_third_left_a_mark_that_says_nothing(
    left: bytes,
    tmp_path: Path,
    shard_format: Format,
    worker: Worker,
    make_theorem: MakeTheorem,
) -> None:
    async with worker("a") as late, worker("b") as first:
        (tmp_path / ".first").mkdir()
        (tmp_path / ".first" / "t1.0").write_bytes(left)
        await first.write(*make_theorem("t1", run_id="b"))
        await late.write(*make_theorem("t1", run_id="a"))
    [record] = read_shards(tmp_path, shard_format).records
    assert record.run_id == "b"


async def test_what_was_given_up_stays_lost_for_readers_until_somebody_begins_anew(
    tmp_path: Path, shard_format: Format, worker: Worker, make_theorem: MakeTheorem
) -> None:
    def counting() -> str:
        [record] = read_shards(tmp_path, shard_format).records
        assert {camp.run_id for camp in read_shards(tmp_path, shard_format).rows()} == {record.run_id}
        return str(record.run_id)

    async with worker("a") as late, worker("b") as loser:
        await loser.write(*make_theorem("t1", run_id="b", is_final=False))
        read_shards(tmp_path, shard_format).give_up(["t1"])
        await late.write(*make_theorem("t1", run_id="a"))
        assert counting() == "b", "what came late does not change what was told"
        read_shards(tmp_path, shard_format).give_up(["t1"])  # another worker of the same run says so, too
        async with worker("c") as again:
            assert again.completed() == {}, "it was given up, so it waits"
            await again.write(*make_theorem("t1", run_id="c", is_final=False))
            assert counting() == "b"
            async with worker("d") as heir:
                await heir.write(*make_theorem("t1", run_id="d"))
    assert counting() == "d"
    read_shards(tmp_path, shard_format).give_up(["t1"])
    assert counting() == "d", "what is final is final"


async def test_what_is_final_is_not_given_up_whatever_is_written_first(
    tmp_path: Path, shard_format: Format, worker: Worker, make_theorem: MakeTheorem
) -> None:
    async with worker("a") as quick, worker("b") as loser:
        await loser.write(*make_theorem("t1", run_id="b", is_final=False))
        before = read_shards(tmp_path, shard_format)
        await quick.write(*make_theorem("t1", run_id="a"))
        before.give_up(["t1"])  # it was not there when this one looked
    [record] = read_shards(tmp_path, shard_format).records
    assert record.run_id == "a"


async def test_what_was_deleted_and_is_done_again_by_two_counts_for_the_first_of_them(
    tmp_path: Path, shard_format: Format, worker: Worker, make_theorem: MakeTheorem
) -> None:
    for name in ("gone-1", "gone-2"):
        async with worker(name) as writer:
            await writer.write(*make_theorem("t1", run_id=name))
        (tmp_path / name / "part-000001.parquet").unlink()
    async with worker("a") as late, worker("b") as first:
        await first.write(*make_theorem("t1", run_id="b"))
        await late.write(*make_theorem("t1", run_id="a"))
    [record] = read_shards(tmp_path, shard_format).records
    assert record.run_id == "b"


async def test_a_disk_that_takes_no_mark_is_told_to_those_who_wait(
    tmp_path: Path, shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    async with ShardWriter(tmp_path, shard_format, run=make_run(), config=AT_ONCE, part="a") as writer:
        (tmp_path / ".first").touch()
        for name in ("t1", "t2"):
            with pytest.raises(ConfigError, match=r"\.first cannot be written to"):
                await writer.write(*make_theorem(name))
    assert [record.theorem.name for record in read_shards(tmp_path, shard_format).records] == ["t1", "t2"]


async def test_unlike_workers_are_refused_before_any_of_them_has_found_anything(
    tmp_path: Path, shard_format: Format, make_run: MakeRun
) -> None:
    async with ShardWriter(tmp_path, shard_format, run=make_run(max_expansions=100), part="a"):
        with pytest.raises(ConfigError, match=r"max_expansions: 200, not 100"):
            async with ShardWriter(tmp_path, shard_format, run=make_run("run-2", max_expansions=200), part="b"):
                pytest.fail("it must not be entered")
    assert not shards(tmp_path / "b")


async def test_a_directory_is_one_writers_or_is_shared_but_not_both(
    tmp_path: Path, shard_format: Format, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leanebm.storage.shard_writer._JOIN_S", 0.1)
    refused = pytest.raises(TrajectoryError, match="another process is writing")
    async with ShardWriter(tmp_path, shard_format, run=make_run(), part="a"):
        for part in ("a", None):
            with refused:
                async with ShardWriter(tmp_path, shard_format, run=make_run(), part=part):
                    pytest.fail("it must not be entered")
    async with ShardWriter(tmp_path, shard_format, run=make_run()):
        with refused:
            async with ShardWriter(tmp_path, shard_format, run=make_run(), part="b"):
                pytest.fail("it must not be entered")
    async with (
        ShardWriter(tmp_path, shard_format, run=make_run()),
        ShardWriter(tmp_path / "x", shard_format, run=make_run()),
    ):
        pass


# --- misuse and failures ------------------------------------------------------------------------


async def test_misuse_is_refused_before_anything_is_written(
    tmp_path: Path, shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem
) -> None:
    record, rows = make_theorem("t1")
    async with ShardWriter(tmp_path, shard_format, run=make_run(), config=AT_ONCE) as writer:
        with pytest.raises(ValueError, match="the id of another run"):
            await writer.write(*make_theorem("t1", run_id="run-9"))
        with pytest.raises(ValueError, match="rows of another theorem or run"):
            await writer.write(record, [attrs.evolve(rows[0], run_id="run-9")])
        with pytest.raises(ValueError, match="rows of another theorem"):
            await writer.write(record, [attrs.evolve(rows[0], theorem="t2")])
        assert shards(tmp_path) == []
        await writer.write(record, rows)
        with pytest.raises(ValueError, match="in the mountain already"):
            await writer.write(record, rows)
    with pytest.raises(TrajectoryError, match="not open"):
        await writer.write(*make_theorem("t2"))


@pytest.mark.parametrize("failure", [OSError("no space left"), pa.ArrowInvalid("too large")])
async def test_a_full_disk_is_told_to_those_who_wait_and_the_writer_lives_on(
    tmp_path: Path,
    shard_format: Format,
    make_run: MakeRun,
    make_theorem: MakeTheorem,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
) -> None:
    def fail(*_: object) -> None:
        raise failure

    async with ShardWriter(tmp_path, shard_format, run=make_run(), config=AT_ONCE) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(Shard, "write", fail)
            with pytest.raises(TrajectoryError, match="could not be written") as caught:
                await writer.write(*make_theorem("t1"))
        assert caught.value.__cause__ is failure
        assert not writer.completed()
        await writer.write(*make_theorem("t1"))
        assert writer.completed().keys() == {"t1"}


@pytest.mark.parametrize("value", [Decimal("1.5"), "high", None, object(), 10**400])
async def test_what_no_column_takes_costs_no_other_theorem(
    tmp_path: Path, shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem, value: object
) -> None:
    record, rows = make_theorem("odd")
    async with ShardWriter(tmp_path, shard_format, run=make_run(), config=NEVER) as writer:
        waits = [
            writer.hand_over(*make_theorem("t1")),
            writer.hand_over(record, [attrs.evolve(rows[0], height=value)]),
            writer.hand_over(*make_theorem("t2")),
        ]
    with pytest.raises(TrajectoryError, match=r"found for 'odd' is not what its column holds: a mistake in the part"):
        await waits[1]
    await waits[0]
    await waits[2]
    assert {each.theorem.name for each in read_shards(tmp_path, shard_format).records} == {"t1", "t2"}


def test_settings_are_checked_when_they_are_made() -> None:
    with pytest.raises(ValueError, match="max_rows"):
        ShardWriterConfig(max_rows=0)
    with pytest.raises(ValueError, match="max_wait_s"):
        ShardWriterConfig(max_wait_s=-1.0)
