"""Disks that are full or cannot be written to, for real: what is found is kept or missed aloud, and resuming works."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import attrs
import pytest

from leanebm.core import SearchResult, Theorem
from leanebm.errors import ConfigError, TrajectoryError
from leanebm.pipeline import RunConfig, SearchRun, WorkbenchOpener, summarise_run
from leanebm.pipeline.search.search_run import record_of
from leanebm.storage import RunInfo, ShardWriter, ShardWriterConfig
from leanebm.testing import ToyWorld
from leanebm.trajectory import TRAJECTORY_FORMAT, read_trajectory

Search = Callable[..., Awaitable[None]]
ToyBench = Callable[..., WorkbenchOpener]


class Disk(Protocol):
    """Somewhere to write, until it is full."""

    @property
    def path(self) -> Path: ...

    def full(self) -> AbstractContextManager[None]:
        """No byte more can be written inside the block."""
        ...


@attrs.frozen
class SmallDisk:
    """A file system of its own, one megabyte large."""

    path: Path

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        filler = self.path / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        try:
            yield
        finally:
            filler.unlink()

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        _mount("-o", "remount,ro", str(self.path))
        try:
            yield
        finally:
            _mount("-o", "remount,rw", str(self.path))


@attrs.frozen
class NoLargerFiles:
    """A folder in which files cannot grow: a limit that needs no privileges."""

    path: Path

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)  # noqa: S607 - wherever it is


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    path = tmp_path / "disk"
    path.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a file system can be mounted by root only")
    yield SmallDisk(path)
    subprocess.run(["umount", str(path)], check=True)  # noqa: S607


@pytest.fixture(params=["small disk", "limited files"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    if request.param == "small disk":
        return request.getfixturevalue("small_disk")  # type: ignore[no-any-return]
    return NoLargerFiles(tmp_path)


@pytest.fixture
def search(toy_bench: ToyBench) -> Search:
    """``await search(folder, (1, 3), resume=True)``, in a world whose theorems are numbers."""
    opening = toy_bench(ToyWorld.countdown(32))

    async def search(folder: Path, statements: Sequence[int], *, resume: bool = False) -> None:
        theorems = [Theorem(name=f"n{value}", statement=str(value)) for value in statements]
        await SearchRun(RunConfig(), theorems, folder, resume=resume, opening=opening).run()

    return search


def _outcomes(folder: Path) -> dict[str, str]:
    return {record.theorem.name: record.outcome for record in summarise_run(folder).records}


def _half_written(folder: Path) -> list[Path]:
    return [*folder.rglob("*.part"), *folder.rglob("*.tmp")]


@pytest.mark.parametrize("later", [(7, 9), (-7, -9)], ids=["a proof is to be written", "only a tree is to be written"])
async def test_a_full_disk_ends_the_run_aloud_and_the_run_goes_on_when_there_is_room(
    disk: Disk, search: Search, later: tuple[int, ...]
) -> None:
    folder = disk.path / "run"
    await search(folder, (1, 3, 5))
    before = _outcomes(folder)
    with disk.full():
        with pytest.raises(TrajectoryError, match=r"could not be written: .*(No space left|File too large)"):
            await search(folder, (1, 3, 5, *later), resume=True)
        assert _outcomes(folder) == before, "what was there is whole"
        assert _half_written(folder) == []
    await search(folder, (1, 3, 5, *later), resume=True)
    ending = "proved" if later[0] > 0 else "exhausted"
    assert _outcomes(folder) == before | {f"n{value}": ending for value in later}
    assert len({record.run_id for record in read_trajectory(folder / "trajectory").records}) == 2


async def test_a_disk_that_is_full_from_the_beginning(disk: Disk, search: Search) -> None:
    folder = disk.path / "run"
    with disk.full(), pytest.raises(TrajectoryError, match=r"could not be written|cannot be written to"):
        await search(folder, (1,))
    await search(folder, (1,), resume=True)
    assert _outcomes(folder) == {"n1": "proved"}


async def test_an_output_that_is_read_only(small_disk: SmallDisk, search: Search) -> None:
    folder = small_disk.path / "run"
    await search(folder, (1,))
    with small_disk.read_only():
        with pytest.raises(ConfigError, match=r"cannot be written to: .* does not allow it"):
            await search(folder, (1, 2), resume=True)
        with pytest.raises(ConfigError, match=r"cannot be written to: .* does not allow it"):
            await search(small_disk.path / "another", (1, 2))
        assert _outcomes(folder) == {"n1": "proved"}
    await search(folder, (1, 2), resume=True)
    assert _outcomes(folder) == {"n1": "proved", "n2": "proved"}


async def test_what_a_full_disk_costs_is_logged_although_the_run_was_stopped_meanwhile(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    run = RunInfo(run_id="r", started_unix_s=0.0, seed=0, backend="toy", lean_version="", leanebm_version="", config={})
    record = record_of(SearchResult.unopened(Theorem(name="lost", statement="1"), None), run, started_unix_s=0.0)
    never = ShardWriterConfig(max_wait_s=1e6)
    async with ShardWriter(disk.path / "trajectory", TRAJECTORY_FORMAT, run=run, config=never) as writer:
        writing = asyncio.ensure_future(writer.write(record, []))
        await asyncio.sleep(0)
        writing.cancel()
        with disk.full():
            await writer.__aexit__(None, None, None)
        assert "could not be written" in caplog.text
        assert "not kept: lost" in caplog.text
    assert os.listdir(disk.path / "trajectory") == [".lock"]  # noqa: PTH208 - hidden files too
