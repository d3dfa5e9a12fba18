"""Write results down so that a run killed at any moment has lost nothing that it reported."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Final, Generic, Self

import attrs
from attrs.validators import ge
from filelock import FileLock, Timeout

from leanebm._cancelled import uninterrupted
from leanebm._shown import named_repr, reason
from leanebm.core import Theorem
from leanebm.errors import ConfigError, LeanEbmError, TrajectoryError
from leanebm.storage.atomic_file import not_written, remove_scratch
from leanebm.storage.file_stem import file_stem
from leanebm.storage.firsts import Firsts
from leanebm.storage.run_info import RunInfo, one_line_per_change
from leanebm.storage.shard import (
    R,
    Shard,
    ShardFormat,
    ShardSet,
    StoredRecord,
    T,
    next_number,
    shard_path,
    shard_paths,
)

_log = logging.getLogger(__name__)

_JOIN_S: Final = 60.0
"""Seconds to wait for other workers that are joining the same folder."""


@attrs.frozen(kw_only=True)
class ShardWriterConfig:
    """When a shard is closed: whichever of the two comes first."""

    max_rows: int = attrs.field(default=20_000, validator=ge(1))
    """Rows after which a shard is written at once; a larger theorem still goes to one shard."""

    max_wait_s: float = attrs.field(default=1.0, validator=ge(0.0))
    """Seconds that a finished theorem waits for others to share its shard, at least 0."""


@attrs.define(eq=False)
class _Pending(Generic[R, T]):
    record: R
    rows: Sequence[T]
    is_durable: asyncio.Future[None]


def lock_of(folder: Path) -> FileLock:
    """What its writer holds; it goes with the process that holds it."""
    return FileLock(folder / ".lock", thread_local=False)


def _finished(records: Iterable[StoredRecord]) -> dict[str, Theorem]:
    return {record.theorem.name: record.theorem for record in records if record.is_final}


def refuse_unlike(path: str | os.PathLike[str], run: RunInfo, runs: Sequence[RunInfo]) -> None:
    """Refuse to let ``run`` add to what ``runs``, the earlier ones in their order, wrote to ``path``.

    Raises:
        ConfigError: what their results depend on differs, so that they must not be pooled; all is listed.
    """
    if differences := _differences(run, runs):
        raise ConfigError(
            f"{path} was written by a run that differs from this one, so their results must not be pooled. Set these "
            "as they were, or choose another folder @ --output; `search` and `generate-negatives` go on all the same "
            "with --resume-anyway, which is written down. This run has:",
            differences,
        )


def _differences(run: RunInfo, runs: Sequence[RunInfo]) -> list[str]:
    differences: dict[str, None] = {}  # an ordered set
    for earlier in reversed(runs):
        differences |= dict.fromkeys(run.differences(earlier))
        if earlier.resumed_despite:
            break  # its user has already accepted how it differs from the runs before it
    return one_line_per_change(differences)


class ShardWriter(Generic[R, T]):
    """Appends theorems to a directory of atomic Parquet shards; an ``async with``.

    :meth:`write` returns when the theorem's shard is on the disk, and theorems that finish at about
    the same time share one. Leaving the context writes what is left, also after a cancellation.
    A directory has one writer at a time, or several workers that each write to a part of it, a directory of their own
    in it; a killed one leaves no lock behind. A worker leaves a shard without a theorem when it joins: its settings are
    compared with those of the others before any of them has found anything. Of a theorem that several workers finish,
    the record counts that was on the disk first.

    Args:
        path: the directory; made if it is not there.
        shard_format: what shards hold.
        run: the run that writes. If the directory holds shards of another run, its settings must agree.
        config: when shards are closed.
        pool_unlike_runs: whether to go on where they do not agree; what differs is written into every shard.
        part: the name of the worker's own part; ``None`` if the whole directory is this writer's.
    """

    def __init__(
        self,
        path: Path | str,
        shard_format: ShardFormat[R, T],
        *,
        run: RunInfo,
        config: ShardWriterConfig | None = None,
        pool_unlike_runs: bool = False,
        part: str | None = None,
    ) -> None:
        self._root = Path(path)
        self._part = part
        self._path = self._root if part is None else self._root / part
        self._format = shard_format
        self._run = run
        self._config = ShardWriterConfig() if config is None else config
        self._pools_unlike_runs = pool_unlike_runs
        self._lock = lock_of(self._path)
        self._next_number = 0
        self._firsts = Firsts(self._root)
        self._num_marks: Counter[str] = Counter()
        self._completed: dict[str, Theorem] = {}
        self._written: set[str] = set()
        # Unbounded, but each caller waits for its own theorem, so it holds one for each of them at most.
        self._queue: asyncio.Queue[_Pending[R, T] | None] = asyncio.Queue()
        self._committer: asyncio.Task[None] | None = None

    __repr__ = named_repr("_path")

    async def __aenter__(self) -> Self:
        """Take the directory, and look at what it already holds.

        Raises:
            ConfigError: its shards are of a run with other settings, or it cannot be written to.
            TrajectoryError: another writer has it, its shards are damaged or of another kind or schema version, or the
                disk is full.
        """
        try:
            await uninterrupted(asyncio.to_thread(self._take))
        except asyncio.CancelledError:
            self._lock.release()  # the thread may have got it all the same
            raise
        # Not in a task group, which would cancel its last write: it ends when it has written everything, see __aexit__.
        self._committer = asyncio.create_task(self._commit(), name=f"writer of {self._path}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write what is left, and give the directory back."""
        try:
            if self._committer is not None:
                self._queue.put_nowait(None)
                await uninterrupted(self._committer)
        finally:
            self._committer = None
            self._lock.release()

    def completed(self) -> Mapping[str, Theorem]:
        """The theorems on the disk that need not be worked on again, by their names.

        A theorem that was lost to an infrastructure failure is not among them.
        """
        return dict(self._completed)

    async def write(self, record: R, rows: Sequence[T]) -> None:
        """Append one theorem, and return when it is on the disk.

        Cancelling the wait does not take the theorem back.

        Raises:
            ValueError: record and rows are not of this run and of one theorem, or it is written already.
            TrajectoryError: it could not be written, or the writer is not open.
        """
        await self.hand_over(record, rows)

    def hand_over(self, record: R, rows: Sequence[T]) -> asyncio.Future[None]:
        """Append one theorem; from now on nothing but a broken disk keeps it from being written.

        Returns:
            What is done when the theorem is on the disk, or raises as :meth:`write` does.

        Raises:
            ValueError, TrajectoryError: as :meth:`write`, where that is known at once.
        """
        self._check(record, rows)
        if self._committer is None or self._committer.done():
            raise TrajectoryError(f"the writer of {self._path} is not open: use it inside its `async with`")
        self._written.add(record.theorem.name)
        pending = _Pending(record, rows, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(pending)
        return pending.is_durable

    def _check(self, record: R, rows: Sequence[T]) -> None:
        name = record.theorem.name
        if record.run_id != self._run.run_id:
            raise ValueError(f"theorem {name!r} carries the id of another run than {self._run.run_id!r}")
        if not all(self._format.owns(record, row) for row in rows):
            raise ValueError(f"theorem {name!r} comes with rows of another theorem or run")
        if name in self._written or name in self._completed:
            raise ValueError(f"theorem {name!r} is in the {self._format.noun} already")

    def _take(self) -> None:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with ExitStack() as locks:
                if self._part is None:
                    self._lock.acquire(timeout=0)
                    for worker in self._root.glob("*/.lock"):
                        locks.enter_context(lock_of(worker.parent).acquire(timeout=0))
                else:
                    locks.enter_context(lock_of(self._root).acquire(timeout=_JOIN_S))
                    self._path.mkdir(exist_ok=True)  # not before: a merge removes empty parts
                    self._lock.acquire(timeout=0)
                self._join()
        except Timeout as error:
            self._lock.release()
            raise TrajectoryError(f"another process is writing to {self._path}; wait for it, or stop it") from error
        except OSError as error:
            self._lock.release()
            raise not_written(self._path, error) from error
        except BaseException:
            self._lock.release()
            raise

    def _join(self) -> None:
        remove_scratch(self._path)
        self._num_marks = self._firsts.counts()  # before the shards: who sets a mark has written the shard before
        shards = [Shard.open(path, self._format) for path in shard_paths(self._root)]
        self._compare([run for run, _ in groupby(shard.run for shard in shards)])
        found = ShardSet(self._root, self._format, tuple(shards))
        self._completed.update(_finished(found.records))
        for shard in shards:
            if shard.run.run_id == self._run.run_id:
                self._written.update(record.theorem.name for record in shard.records)
        if self._part is not None:  # whoever wrote it was killed before the mark, and others may be at it
            for name, part in found.unmarked():
                self._firsts.put(name, self._num_marks[file_stem(name)], part)
        self._next_number = next_number(self._path)
        if self._part is not None and self._next_number == 0:
            Shard.write(shard_path(self._path, 0), self._format, self._run, [], [])
            self._next_number = 1

    def _mark(self, records: Sequence[R]) -> None:
        """Say that these are on the disk, unless another worker's are."""
        for name in _finished(records):
            self._firsts.put(name, self._num_marks[file_stem(name)], self._path.name)

    def _compare(self, runs: Sequence[RunInfo]) -> None:
        """Refuse to add to what was found under other settings, or note what differs."""
        if not self._pools_unlike_runs:
            refuse_unlike(self._root, self._run, runs)
            return
        if not (differences := _differences(self._run, runs)):
            return
        _log.warning(
            "%s goes on with a run that differs from the one before, as you said. It has:\n%s",
            self._root,
            "\n".join(f"  - {line}" for line in differences),
        )
        self._run = attrs.evolve(self._run, resumed_despite=tuple(differences))

    async def _commit(self) -> None:
        """Write shard after shard until the writer is closed."""
        is_closing = False
        # Arrow's allocator keeps some 10 MB for each thread that ever wrote, so there is one.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="shards") as thread:
            while not is_closing:
                batch, is_closing = await self._next_batch()
                if batch:
                    await self._write_shard(batch, thread)

    async def _next_batch(self) -> tuple[list[_Pending[R, T]], bool]:
        """Theorems for one shard, and whether they are the last ones."""
        batch: list[_Pending[R, T]] = []
        pending = await self._queue.get()
        try:
            async with asyncio.timeout(self._config.max_wait_s):
                while pending is not None:
                    batch.append(pending)
                    if sum(len(one.rows) for one in batch) >= self._config.max_rows:
                        break
                    pending = await self._queue.get()
        except TimeoutError:
            return batch, False
        return batch, pending is None

    async def _write_shard(self, batch: Sequence[_Pending[R, T]], thread: Executor) -> None:
        records = [pending.record for pending in batch]
        rows = [row for pending in batch for row in pending.rows]
        path = shard_path(self._path, self._next_number)
        failure: BaseException | None = None
        is_written = False
        try:
            write = partial(Shard.write, path, self._format, self._run, records, rows)
            await asyncio.get_running_loop().run_in_executor(thread, write)
            is_written = True
            self._next_number += 1
            self._completed.update(_finished(records))
            if self._part is not None:
                await asyncio.get_running_loop().run_in_executor(thread, self._mark, records)
        except (OSError, MemoryError) as error:
            failure = TrajectoryError(
                f"{path} could not be written: {reason(error)}. What is there already is whole; "
                "go on when there is room"
            )
            failure.__cause__ = error
        except LeanEbmError as error:  # a mark that could not be set
            failure = error
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait for this shard
            if len(batch) > 1 and not is_written:  # one of them cannot be written, and must not cost the others
                for pending in batch:
                    await self._write_shard([pending], thread)
                return
            failure = TrajectoryError(
                f"{path} could not be written: {reason(error)}. Something that was found for "
                f"{records[0].theorem.name!r} is not what its column holds: a mistake in the part that gave it. What "
                "was found for others is kept"
            )
            failure.__cause__ = error
        if failure is not None:
            names = [record.theorem.name for record in records]
            if not is_written:
                self._written.difference_update(names)
            _log.error("%s; not %s: %s", failure, "marked" if is_written else "kept", ", ".join(names))
        for pending in batch:
            if pending.is_durable.done():  # its caller was cancelled
                continue
            if failure is None:
                pending.is_durable.set_result(None)
            else:
                pending.is_durable.set_exception(failure)
                pending.is_durable.exception()  # was logged above, should its caller be cancelled before it hears it
