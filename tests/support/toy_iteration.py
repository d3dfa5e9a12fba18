"""An iteration in a toy world, small enough for tests; run by them as a program, too, which kills itself.

``python toy_iteration.py FOLDER [EVENT [shards|join]]`` goes on with the iteration in FOLDER; with a number, it sends
itself SIGKILL at that event of the invocation. It shares its searches with others if it is told to, or joins another.
It prints how many events it saw, and how many searches and replays it ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path

import attrs

from leanebm.core import Theorem
from leanebm.energy.training import EnergyTrainerConfig
from leanebm.pipeline import (
    LeanParts,
    NegativesConfig,
    Observer,
    PipelineEvent,
    RunConfig,
    ShardsEngine,
    StageProgressed,
    Workbench,
    open_workbench,
)
from leanebm.pipeline.config import EMBEDDED_SERVER_URL
from leanebm.pipeline.energy.training_run import EnergyTrainingConfig
from leanebm.pipeline.iteration.config import IterationConfig, IterationTheorems
from leanebm.pipeline.iteration.iteration_run import IterationRun
from leanebm.policy import PolicyClientConfig
from leanebm.search import SearchBudget, SearchConfig
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

STRIDE = 100
"""The numbers of one theorem lie within this of one another, and no state belongs to two theorems."""


def separate_countdowns(count: int, largest: int = 24) -> ToyWorld:
    """The countdown world, once for each theorem: 103 is to be brought down to 101 as 203 is to 201."""
    moves = {}
    for offset in range(STRIDE, STRIDE * (count + 1), STRIDE):
        for state, arrows in ToyWorld.countdown(largest).moves.items():
            moves[_moved(state, offset)] = {tactic: _moved(target, offset) for tactic, target in arrows.items()}
    return ToyWorld(moves=moves)


def _moved(state: str, offset: int) -> str:
    if not state.lstrip("-").isdigit():
        return state
    return str(int(state) + offset) if int(state) > 0 else str(int(state) - offset)


def theorems(first: int, last: int) -> tuple[Theorem, ...]:
    """One in each of these copies of the world, from easy to hard."""
    return tuple(
        Theorem(name=f"t{number}", statement=str(STRIDE * number + 4 + 5 * number % 20))
        for number in range(first, last)
    )


LEASE_S = 5.0
WORLD = separate_countdowns(24)
THEOREMS = IterationTheorems(train=theorems(1, 13), validation=theorems(13, 19), test=theorems(19, 25))
CONFIG = IterationConfig(
    rounds=2,
    run=RunConfig(
        concurrency=3,
        search=SearchConfig(budget=SearchBudget(max_expansions=12)),
        policy=PolicyClientConfig(url=EMBEDDED_SERVER_URL, sampling_seed=7),
    ),
    head=EnergyTrainingConfig(
        hidden=(16, 8), trainer=EnergyTrainerConfig(max_steps=8, eval_every=4, log_every=2, learning_rate=3e-3)
    ),
    negatives=NegativesConfig(closers=(), probe_expansions=2, candidates_per_step=4),
    alphas=(1.0,),
    betas=(1.0,),
)


@cache
def _policy(seed: int) -> ScriptedPolicy:
    return ScriptedPolicy.over(WORLD, seed=seed)


@asynccontextmanager
async def open_toy(config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
    """The real workbench, encoder included, with a toy world in place of Lean and a script in place of the policy."""
    lean = LeanParts(environment=WORLD, certifier=ToyCertifier(WORLD), lean_version="toy")
    async with open_workbench(config, observer, lean=lean) as bench:
        yield attrs.evolve(bench, policy=_policy(config.seed))


toy_iteration = partial(IterationRun, CONFIG, THEOREMS, opening=open_toy)


@attrs.define
class Killer:
    """Kills its own process at an event."""

    event: int
    seen: int = 0
    ended: int = 0

    def notify(self, event: PipelineEvent) -> None:
        self.seen += 1
        self.ended += isinstance(event, StageProgressed) and event.item is not None
        if self.seen == self.event:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Go on with an iteration, and perhaps die."""
    folder, event, how = Path(sys.argv[1]), int([*sys.argv, "0"][2]), sys.argv[3:]
    killer = Killer(event)
    engine = ShardsEngine(expires_s=LEASE_S) if how else None
    run = toy_iteration(folder, resume=True, observer=killer, engine=engine, joins=how == ["join"])
    asyncio.run(run.run())
    sys.stdout.write(f"{killer.seen} {killer.ended}\n")


if __name__ == "__main__":
    main()
