"""What runs on a node of a Ray cluster: one actor, which owns all that a worker owns."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, final

from leanebm.errors import ConfigError, LeanEbmError
from leanebm.pipeline._concurrently import together
from leanebm.pipeline.engines.engine import Ended, Job, Station
from leanebm.pipeline.events import LogObserver

_log = logging.getLogger(__name__)

BEAT_S: Final = 2.0
"""Seconds after which a node answers that it is there, though nothing has ended."""


@final
class RayNode:
    """A station of a job, asked from afar.

    Its driver must ask for what has ended all the time (:meth:`ended`). A node that nobody asks any more ends itself,
    and its Lean with it: Ray does that where its own daemon sees the driver's end, but an actor outlives a daemon
    that is killed, and a network that is cut.

    Args:
        lease_s: seconds without being asked, after which the node ends.
    """

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._asked_s = time.monotonic()
        self._life: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._items: Mapping[str, Any] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._ended: asyncio.Queue[Ended] = asyncio.Queue()  # as many as were handed out, at most
        threading.Thread(target=self._watch, name="lease", daemon=True).start()

    async def open(self, job: bytes, part: str, folder: str, leanebm: str) -> tuple[Sequence[str], int]:
        """Start everything; returns the names of what waits, and how many are worked on at a time.

        Args:
            job: pickled; its parts' modules are looked for in ``folder``, too.
            part: name of this node's part of the results' folder.
            folder: where the driver was started.
            leanebm: the driver's version.

        Raises:
            ConfigError: this node has another leanebm, or does not see one of the folders.
            LeanEbmError: as :meth:`~leanebm.pipeline.engines.engine.Job.open`.
        """
        if (here := version("leanebm")) != leanebm:
            raise ConfigError(f"the node has leanebm {here}, and the run was started with {leanebm}: install the same")
        _enter(folder)
        loaded: Job[Any] = pickle.loads(job)  # noqa: S301 - from our own driver, which could run anything here
        _check_shared(loaded.path, "that results go into")
        opened: asyncio.Future[Station[Any]] = asyncio.get_running_loop().create_future()
        life = asyncio.create_task(self._live(loaded, part, opened), name=f"station {part}")
        first: set[asyncio.Future[Any]] = {life, opened}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if not opened.done():
            life.result()  # raises
        self._life, station = life, opened.result()
        self._items = {loaded.name_of(item): item for item in station.waiting}
        self._station = station
        return tuple(self._items), station.concurrency

    async def _live(self, job: Job[Any], part: str, opened: asyncio.Future[Station[Any]]) -> None:
        """Hold the station open. One task does it from beginning to end, as task groups want it."""
        async with job.open(job.items, LogObserver(), part=part) as station, together() as tellers:
            self._tellers = tellers
            opened.set_result(station)
            await self._closing.wait()

    async def work(self, name: str) -> None:
        """Work on an item; returns when there is room for the next one. How it ended :meth:`ended` says.

        Raises:
            LeanEbmError: the station is broken.
        """
        if self._life is None:
            raise LeanEbmError("the node was asked to work before it was opened")
        task = self._running[name] = asyncio.create_task(self._work(name))
        await asyncio.wait({task, self._life}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            self._life.result()
        if not task.cancelled():
            task.result()

    async def _work(self, name: str) -> None:
        try:
            recorded = await self._station.work(self._items[name])
        finally:
            del self._running[name]
        self._tellers.create_task(self._tell(recorded))

    async def _tell(self, recorded: asyncio.Future[Ended]) -> None:
        self._ended.put_nowait(await recorded)

    async def drop(self, name: str) -> None:
        """Stop working on an item that ended elsewhere."""
        if (task := self._running.get(name)) is not None:
            task.cancel()

    async def ended(self) -> Sequence[Ended]:
        """What is on the disk since this was asked last; waits a little for the first.

        Raises:
            LeanEbmError: the station is broken.
        """
        self._asked_s = time.monotonic()
        found: list[Ended] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BEAT_S):
                found.append(await self._ended.get())
        while not self._ended.empty():
            found.append(self._ended.get_nowait())
        if not found and self._life is not None and self._life.done():
            self._life.result()
        return found

    async def close(self) -> None:
        """Stop what is going on, write what was found, and end Lean."""
        for task in tuple(self._running.values()):
            task.cancel()
        self._closing.set()
        if self._life is not None:
            await self._life

    def _watch(self) -> None:
        while time.monotonic() - self._asked_s < self._lease_s:
            if self._closing.is_set():
                return
            time.sleep(min(1.0, self._lease_s / 4))
        _log.error("nobody asked for %.0f s what has ended here; this node ends", self._lease_s)
        os._exit(1)  # the guards of its workers see that, and end them


def _enter(folder: str) -> None:
    """Work where the driver works: paths of the settings and modules of the user's own are looked for there."""
    _check_shared(Path(folder), "where the run was started")
    os.chdir(folder)
    if folder not in sys.path:
        sys.path.append(folder)


def _check_shared(folder: Path, what: str) -> None:
    """The driver has it."""
    if not folder.is_dir():
        raise ConfigError(f"the node sees no folder {folder}, {what}: it must be on a disk that all nodes share")
