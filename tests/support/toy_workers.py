"""Searches of a toy world that workers share; run by tests as a program, too, one for each worker, and killed by them.

``python toy_workers.py FOLDER [eval]`` is a worker that claims theorems in FOLDER until all are done, or evaluates two
arms there. It prints a line as soon as it searches, for each of its searches.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from leanebm.core import ProofSession, Theorem
from leanebm.pipeline import (
    Engine,
    EvaluationRun,
    LogObserver,
    Observer,
    PipelineEvent,
    RunConfig,
    SearchRun,
    ShardsEngine,
    StageStarted,
    Workbench,
)
from leanebm.search import BreadthFirst, SearchBudget, SearchConfig
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

WORLD = ToyWorld.countdown(32)
CONFIG = RunConfig(concurrency=2, search=SearchConfig(budget=SearchBudget(max_expansions=24)))
"""So small a budget that not every theorem is proved."""

THEOREMS = tuple(Theorem(name=f"n{number}", statement=str(number)) for number in range(1, 33, 2))
ARMS = {"plain": CONFIG, "broad": attrs.evolve(CONFIG, scorer=BreadthFirst())}
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


def toy_evaluation(
    folder: Path, engine: Engine | None = None, observer: Observer | None = None, *, resume: bool = False
) -> EvaluationRun:
    return EvaluationRun(
        ARMS,
        THEOREMS,
        folder,
        headroom=2,
        resume=resume,
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
    run = toy_evaluation if sys.argv[2:] == ["eval"] else toy_worker
    asyncio.run(run(Path(sys.argv[1]), observer=_Herald()).run())
