"""This process does everything."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar, final

import attrs

from leanebm.pipeline._concurrently import for_each
from leanebm.pipeline.engines.engine import Ended, Job, Station
from leanebm.pipeline.events import Observer

T = TypeVar("T")


@final
@attrs.frozen
class LocalEngine:
    """Works on all items in this process, which has the folder to itself."""

    @property
    def shares_folder(self) -> bool:
        """It does not."""
        return False

    async def run(self, job: Job[T], observer: Observer) -> Sequence[Ended]:
        """Work on the items in their order, as many at a time as the job's settings say."""
        async with job.open(job.items, observer) as station:
            ended = await work_on_all(station)
        return [one.result() for one in ended]


async def work_on_all(station: Station[T]) -> Sequence[asyncio.Future[Ended]]:
    """Work on everything that waits at ``station``; the results are all on the disk once it is closed."""
    ended: list[asyncio.Future[Ended]] = []

    async def work(item: T) -> None:
        ended.append(await station.work(item))

    await for_each(station.waiting, work, concurrency=station.concurrency)
    return ended
