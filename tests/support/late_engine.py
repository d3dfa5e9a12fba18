"""Workers that share a folder, one of whom is taken for dead and is not."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from leanebm.pipeline import Ended, Job, Observer, ShardsEngine, Station
from leanebm.pipeline.engines._leases import MAX_CLAIMS


def five_died_at(folder: Path, name: str) -> None:
    """What is left of as many workers as may claim a theorem, all of whom it has killed."""
    (folder / "leases").mkdir(parents=True, exist_ok=True)
    for number in range(MAX_CLAIMS):
        (folder / "leases" / f"{name}.{number}").write_text(f"dead-{number}")


class LateEngine:
    """Has each job done by workers who give the item of that name up, though the last one of those who had it lives.

    That one ends it at :meth:`end`.
    """

    shares_folder = True

    def __init__(self, name: str) -> None:
        self._name = name
        self._late: list[tuple[Station[Any], Any]] = []
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def run(self, job: Job[Any], observer: Observer) -> Sequence[Ended]:
        named = [item for item in job.items if job.name_of(item) == self._name]
        if named:
            station = await self._open.enter_async_context(job.open(job.items, observer, part="late"))
            self._late += [(station, item) for item in named]
            five_died_at(job.path, self._name)
        return await ShardsEngine(expires_s=60.0).run(job, observer)

    async def end(self) -> None:
        """Let the late one end whatever it had."""
        assert self._late, "no job had such an item"
        for station, item in self._late:
            assert (await (await station.work(item))).is_final
