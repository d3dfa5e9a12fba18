"""A job for engines: letters, each of which is written down once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from leanebm.pipeline import Ended, Observer, Station


class LettersJob:
    """Its stations write letters; ``broken`` breaks one, ``endless`` takes for ever, some may be ``written`` before."""

    def __init__(
        self, items: Sequence[str], path: Path = Path(), *, written: Sequence[str] = (), concurrency: int = 2
    ) -> None:
        self.items = items
        self.path = path
        self.written = list(written)
        self.parts: list[str | None] = []
        self.given_up: list[tuple[str, str]] = []
        self.concurrency = concurrency

    def name_of(self, item: str) -> str:
        return item

    async def give_up(self, items: Sequence[str], why: str, *, part: str) -> None:
        assert part not in self.parts
        self.given_up += [(item, why) for item in items]

    @asynccontextmanager
    async def open(
        self, items: Sequence[str], observer: Observer, *, part: str | None = None
    ) -> AsyncIterator[Station[str]]:
        del observer
        self.parts.append(part)
        async with asyncio.TaskGroup() as writers:
            yield _LettersStation(self, [item for item in items if item not in self.written], writers)


class _LettersStation:
    def __init__(self, job: LettersJob, waiting: Sequence[str], writers: asyncio.TaskGroup) -> None:
        self.waiting = waiting
        self.concurrency = job.concurrency
        self._job = job
        self._writers = writers

    async def work(self, item: str) -> asyncio.Future[Ended]:
        if item == "broken":
            raise KeyError(item)
        if item == "endless":
            await asyncio.Event().wait()
        return self._writers.create_task(self._write(item))

    async def _write(self, item: str) -> Ended:
        await asyncio.sleep(0)
        self._job.written.append(item)
        return Ended(name=item, line=item, is_final=True)
