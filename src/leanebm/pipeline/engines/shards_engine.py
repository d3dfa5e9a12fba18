"""Workers on any number of machines, who have nothing in common but a folder."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar, final

import attrs
from attrs.validators import gt

from leanebm.errors import ConfigError
from leanebm.pipeline._concurrently import together
from leanebm.pipeline._pulse import BEATS_TO_EXPIRE
from leanebm.pipeline.engines._leases import MAX_CLAIMS, Leases
from leanebm.pipeline.engines.engine import Ended, Engine, Job, Station, given_up_item, longest_first
from leanebm.pipeline.engines.local_engine import work_on_all
from leanebm.pipeline.events import Observer

T = TypeVar("T")

_log = logging.getLogger(__name__)

LEASES_FOLDER: Final = "leases"

_IDLE_S: Final = 1.0
"""How often a worker that is left with nothing to do looks whether the others are done, in seconds."""


@final
@attrs.frozen(order=True)
class Share:
    """One of ``of`` shares of a job's items, dealt out like cards: neighbours are often alike."""

    number: int
    """From 1."""

    of: int

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ValueError(f"there is no share {self.number} of {self.of}: they count from 1/{self.of}")

    @classmethod
    def parse(cls, text: str) -> Share:
        """Read ``3/16``.

        Raises:
            ConfigError: it is none.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
        try:
            return cls(*map(int, found.groups() if found else ()))
        except TypeError:
            problem = f"{text!r} is no share such as 3/16, the third of sixteen"
        except ValueError as error:
            problem = str(error)
        raise ConfigError("the command line is wrong:", [f"{problem} @ --shard"])

    def of_all(self, items: Sequence[T]) -> Sequence[T]:
        """The share's own items, in their order."""
        return items[self.number - 1 :: self.of]


@final
@attrs.frozen(kw_only=True)
class ShardsEngine:
    """This process is one of the workers that share the folder; each writes to a part of its own.

    With a share, the worker does that, and knows nothing of others. Without, it claims items, one when it is free for
    one; takes over those of workers who have died; and when nothing else is left, tries what is slow elsewhere
    a second time. It ends when nothing waits any more.
    """

    share: Share | None = None
    """Which items are this worker's; ``None`` to claim them one by one."""

    expires_s: float = attrs.field(default=120.0, validator=gt(0.0))
    """Seconds without a sign of life after which this worker's items are given to others; the folder's file system must
    show a file's new content in less. Workers may differ in it."""

    expected_s: Mapping[str, float] = attrs.field(factory=dict, repr=False)
    """How long items are expected to take, by their names; the longest are claimed first."""

    @property
    def shares_folder(self) -> bool:
        """It does."""
        return True

    async def run(self, job: Job[T], observer: Observer) -> Sequence[Ended]:
        """Work on this worker's share, or on what can be claimed until all is done."""
        if self.share is not None:
            part = f"shard-{self.share.number}-of-{self.share.of}"
            async with job.open(self.share.of_all(job.items), observer, part=part) as station:
                ended = [*await work_on_all(station)]
        else:
            worker = f"{re.sub(r'[^A-Za-z0-9-]', '-', socket.gethostname())[:40]}-{uuid.uuid4().hex[:8]}"
            async with job.open(job.items, observer, part=worker) as station:
                items = {job.name_of(item): item for item in station.waiting}
                names = longest_first(items, self.expected_s)
                leases = Leases(job.path / LEASES_FOLDER, worker, names, expires_s=self.expires_s)
                async with _open_desk(leases, self.expires_s / BEATS_TO_EXPIRE) as desk, together() as tasks:
                    for _ in range(min(station.concurrency, len(items))):
                        tasks.create_task(desk.work_in_turn(station, items))
                given_up = leases.given_up()
                why = f"given up: {MAX_CLAIMS} workers claimed it, and died or lost it"
                if unfinished := leases.unfinished():
                    await job.give_up([items[name] for name in unfinished], why, part=f"{worker}-given-up")
                if given_up:
                    _log.warning(
                        "%s: %s. They are recorded as broken, not as unproved. Merge the folder with `leanebm merge` "
                        "to have them tried again",
                        why,
                        ", ".join(given_up),
                    )
            ended = [*desk.ended, *(given_up_item(name, why).at_once() for name in given_up)]
        return [one.result() for one in ended]


def share_of(engine: Engine) -> Share | None:
    """The share that is all ``engine`` knows of; ``None`` if it sees the whole job to its end."""
    return engine.share if isinstance(engine, ShardsEngine) else None


def items_of(engine: Engine, items: Sequence[T]) -> Sequence[T]:
    """The items of a job that ``engine`` works on, alone or with others: its share, or all."""
    share = share_of(engine)
    return items if share is None else share.of_all(items)


@final
class _Desk:
    """Claims items, has them worked on, and stops what somebody else has finished."""

    def __init__(self, leases: Leases, tasks: asyncio.TaskGroup) -> None:
        self.ended: list[asyncio.Future[Ended]] = []
        self._leases = leases
        self._tasks = tasks
        self._one_thread = asyncio.Lock()
        self._looked = asyncio.Event()
        self._under_way: dict[str, asyncio.Task[asyncio.Future[Ended]]] = {}

    async def beat(self) -> None:
        async with self._one_thread:
            await asyncio.to_thread(self._leases.beat)
        for name, task in self._under_way.items():
            if self._leases.is_done(name):
                task.cancel()
        self._looked.set()
        self._looked = asyncio.Event()

    async def keep_beating(self, beat_s: float) -> None:
        while True:
            await asyncio.sleep(beat_s)
            await self.beat()

    async def work_in_turn(self, station: Station[T], items: dict[str, T]) -> None:
        while (name := await self._next()) is not None:
            work = self._under_way[name] = self._tasks.create_task(station.work(items[name]))
            try:
                ended = await work
            except asyncio.CancelledError:
                if not self._leases.is_done(name) or _is_cancelled():
                    raise
                continue
            finally:
                del self._under_way[name]
            self.ended.append(ended)
            self._tasks.create_task(self._end(name, ended))

    async def _next(self) -> str | None:
        while True:
            looked = self._looked
            async with self._one_thread:
                name = await asyncio.to_thread(self._leases.claim)
                if name is not None or not await asyncio.to_thread(self._leases.is_waiting_for_others):
                    return name
            await self._idle_until(looked)

    async def _idle_until(self, looked: asyncio.Event) -> None:
        """Wait for the next beat, or until nothing is with others any more: the next job may wait for this one."""
        while not looked.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_S):
                    await looked.wait()
            async with self._one_thread:
                if not await asyncio.to_thread(self._leases.is_waiting_for_others):
                    return

    async def _end(self, name: str, ended: asyncio.Future[Ended]) -> None:
        is_final = (await ended).is_final
        async with self._one_thread:
            await asyncio.to_thread(self._leases.end, name, is_final=is_final)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def _open_desk(leases: Leases, beat_s: float) -> AsyncIterator[_Desk]:
    try:
        async with together() as tasks:
            desk = _Desk(leases, tasks)
            await desk.beat()
            beating = tasks.create_task(desk.keep_beating(beat_s))
            yield desk
            beating.cancel()
    finally:
        await asyncio.to_thread(leases.leave)
