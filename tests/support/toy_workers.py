"""Searches of a toy world that workers share; run by tests as a program, too, one for each worker, and killed by them.

``python toy_workers.py FOLDER [eval|late|unmarked]`` is a worker that claims theorems in FOLDER until all are done, or
evaluates two arms there. It prints a line as soon as it searches, for each of its searches. One that is ``late`` keeps
what it has found to itself until it reads a line; one that stays ``unmarked`` kills itself when its first results are
on the disk, before it says so. The names of both sort before all others.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

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
from leanebm.storage import RunInfo, Shard
from leanebm.storage.firsts import Firsts
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


def _be_late() -> None:
    write = Shard.write

    def write_late(path: Path, shard_format: Any, run: RunInfo, records: Sequence[Any], rows: Sequence[Any]) -> Any:
        if records:
            sys.stdout.write(f"found {records[0].theorem.name}\n")
            sys.stdout.flush()
            sys.stdin.readline()
        return write(path, shard_format, run, records, rows)

    Shard.write = write_late  # type: ignore[method-assign, assignment]


def _die_unmarked() -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    Firsts.put = die  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    how = "".join(sys.argv[2:])
    run = toy_evaluation if how == "eval" else toy_worker
    if how in ("late", "unmarked"):
        socket.gethostname = lambda: "--first"
        {"late": _be_late, "unmarked": _die_unmarked}[how]()
    asyncio.run(run(Path(sys.argv[1]), observer=_Herald()).run())
