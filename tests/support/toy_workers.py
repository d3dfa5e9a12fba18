"""Searches of a toy world that workers share; run by tests as a program, too, one for each worker, and killed by them.

``python toy_workers.py FOLDER`` is a worker that claims theorems in FOLDER until all are done. It prints a line as soon
as it searches.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from leanebm.core import ProofSession, Theorem
from leanebm.pipeline import (
    Engine,
    LogObserver,
    Observer,
    PipelineEvent,
    RunConfig,
    SearchRun,
    ShardsEngine,
    StageStarted,
    Workbench,
)
from leanebm.search import SearchBudget, SearchConfig
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

WORLD = ToyWorld.countdown(32)
CONFIG = RunConfig(concurrency=2, search=SearchConfig(budget=SearchBudget(max_expansions=24)))
"""So small a budget that not every theorem is proved."""

THEOREMS = tuple(Theorem(name=f"n{number}", statement=str(number)) for number in range(1, 33, 2))
LEASE_S = 1.5


class _Slow:
    """A world in which it takes a while to open a proof."""

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[ProofSession]:
        await asyncio.sleep(0.15)
        async with WORLD.open(theorem) as session:
            yield session


@asynccontextmanager
async def open_slow(config: RunConfig, _: Observer) -> AsyncIterator[Workbench]:
    yield Workbench(
        policy=ScriptedPolicy.over(WORLD),
        scorer=config.scorer,
        environment=_Slow(),
        certifier=ToyCertifier(WORLD),
        lean_version="toy",
    )


def toy_worker(folder: Path, engine: Engine | None = None, observer: Observer | None = None) -> SearchRun:
    return SearchRun(
        CONFIG,
        THEOREMS,
        folder,
        engine=engine or ShardsEngine(expires_s=LEASE_S),
        observer=observer or LogObserver(),
        opening=open_slow,
    )


class _Herald:
    def notify(self, event: PipelineEvent) -> None:
        if isinstance(event, StageStarted) and event.stage == "searching":
            sys.stdout.write("searching\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(toy_worker(Path(sys.argv[1]), observer=_Herald()).run())
