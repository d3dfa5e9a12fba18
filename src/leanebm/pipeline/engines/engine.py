"""What a job is to the engine that has it done, and the other way round."""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import attrs

from leanebm._shown import fitting_repr
from leanebm.errors import LeanEbmError
from leanebm.pipeline.events import Observer
from leanebm.storage import RunInfo, ShardFormat, ShardWriter, read_shards

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Ended:
    """How a station is done with one item: all that an engine needs to know of it, and small enough to be sent."""

    name: str
    """The item's."""

    line: str
    """How it ended, for a person, on one line."""

    is_final: bool
    """Whether it need not be worked on again; not if something broke."""

    refusal: str | None = None
    """Why Lean refused the statement, if it did. Then nothing is on the disk, and the item is done all the same."""

    __repr__ = fitting_repr

    @property
    def is_trouble(self) -> bool:
        """Whether nothing was found out."""
        return self.refusal is not None or not self.is_final

    def at_once(self) -> asyncio.Future[Ended]:
        """What :meth:`Station.work` returns where the result is on the disk already."""
        future: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        future.set_result(self)
        return future


def given_up_item(name: str, why: str) -> Ended:
    """What an engine says of an item that it gives up."""
    return Ended(name=name, line=f"given up       {name}: {why}", is_final=False)


async def record_given_up(
    folder: Path,
    shard_format: ShardFormat[Any, Any],
    records_of: Callable[[RunInfo], Iterable[Any]],
    *,
    part: str,
    pool_unlike_runs: bool,
) -> None:
    """Write records of items that nobody works on any more, unless there is any record of them, and let them be lost.

    A worker that was taken for dead may end one of them later. What was told of the run, and learnt from it, stays as
    it is: that result does not count before the folder is merged. No Lean is needed here: what the workers were, those
    say who have written there.

    Args:
        folder: of the shards, in which every worker that was at an item has one.
        shard_format: what they hold.
        records_of: the items' records, given the run that they are of.
        part: a part of the folder for them, which nobody has.
        pool_unlike_runs: as :class:`ShardWriter`.
    """
    found = await asyncio.to_thread(read_shards, folder, shard_format)
    run = attrs.evolve(found.runs[-1], run_id=uuid.uuid4().hex, started_unix_s=time.time())
    known = {record.theorem.name for record in found.records}
    items = list(records_of(run))
    if new := [record for record in items if record.theorem.name not in known]:
        async with ShardWriter(folder, shard_format, run=run, part=part, pool_unlike_runs=pool_unlike_runs) as writer:
            await asyncio.gather(*(writer.write(record, []) for record in new))
        found = await asyncio.to_thread(read_shards, folder, shard_format)
    await asyncio.to_thread(found.give_up, {record.theorem.name for record in items})


@attrs.define
class FailuresInARow:
    """Counts a station's items that were lost to a worker or a server, with none in between that was not."""

    most: int
    """So many end the work."""

    _count: int = attrs.field(init=False, default=0)

    def note(self, error: LeanEbmError | None) -> None:
        """Count an item: what it was lost by, or ``None``; raises ``error`` if that is one too many."""
        self._count = 0 if error is None else self._count + 1
        if error is not None and self._count >= self.most:
            raise error


class Station(Protocol[T]):
    """Where one worker works: its policy, its Lean, its certifier and its recorder, all open."""

    @property
    def waiting(self) -> Sequence[T]:
        """Of the items that it was opened with, those of which the folder holds no final result, in their order."""
        ...

    @property
    def concurrency(self) -> int:
        """How many items it works on at a time, at least 1."""
        ...

    async def work(self, item: T) -> asyncio.Future[Ended]:
        """Work on ``item``, and return when there is room for the next one.

        Cancelling it takes the item back: nothing of it is written.

        Returns:
            What is done once the result is on the disk.

        Raises:
            LeanEbmError: too many items in a row were lost to a worker or a server.
        """
        ...


class Job(Protocol[T]):
    """Many items that can be worked on in any order, by several workers, into one folder.

    A job is a value: it holds no open file and no task, so that it can be sent to another machine.
    """

    @property
    def items(self) -> Sequence[T]:
        """All of them; their names are unique."""
        ...

    @property
    def path(self) -> Path:
        """The folder that everything goes into."""
        ...

    def name_of(self, item: T) -> str:
        """What an item is called in the folder."""
        ...

    def open(
        self, items: Sequence[T], observer: Observer, *, part: str | None = None
    ) -> AbstractAsyncContextManager[Station[T]]:
        """Start what the work needs, and take the folder, or a part of it.

        Args:
            items: what this worker may be asked to work on.
            observer: is told what happens.
            part: the name of the worker's own part, beside other workers'; ``None`` takes the whole folder.

        Raises:
            ConfigError: items are not those that were worked on under these names.
            LeanError, PolicyError: something does not start.
            TrajectoryError: the folder's results are of another Lean or of other settings, or another worker has it.
        """
        ...

    async def give_up(self, items: Sequence[T], why: str, *, part: str) -> None:
        """End items that nobody works on any more, and of which there is no final result, as lost.

        Those that took every worker with them who was at them are recorded, so that nobody takes them for forgotten; to
        be lost is never a result. From now on they are lost for whoever reads the folder, even if a worker that was
        taken for dead finishes one. Who opens the folder later may work on them, and a merge takes what came late.

        Args:
            items: workers have written to the folder.
            why: for a person.
            part: the name of a part of the folder that no worker has.

        Raises:
            TrajectoryError: they cannot be written.
        """
        ...


class Engine(Protocol):
    """Has a job done. Any object with these two will do."""

    @property
    def shares_folder(self) -> bool:
        """Whether other workers may have results in the folder, with which this one then goes on."""
        ...

    async def run(self, job: Job[T], observer: Observer) -> Sequence[Ended]:
        """Have the items done that the folder does not hold yet.

        Args:
            job: the items, and how a worker works on them.
            observer: is told what happens.

        Returns:
            What was done now.

        Raises:
            LeanEbmError: as :meth:`Job.open` and :meth:`Station.work`.
        """
        ...


def longest_first(names: Iterable[str], expected_s: Mapping[str, float]) -> list[str]:
    """The items' names, those that take longest first, so that nobody waits for one at the end.

    Args:
        names: in their own order, which is kept among equals.
        expected_s: seconds, where they are known; an item of which nothing is known is as usual.
    """
    usual_s = statistics.median(expected_s.values()) if expected_s else 0.0
    return sorted(names, key=lambda name: expected_s.get(name, usual_s), reverse=True)
