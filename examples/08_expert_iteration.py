"""Search, learn from the proofs, keep what proves more, and search again: a toy world, and a real energy head."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from leanebm import EnergySources, RunConfig, SearchBudget, SearchConfig, SearchRun, Theorem
from leanebm.energy.training import EnergyTrainerConfig
from leanebm.pipeline import EnergyConfig, LeanParts, Observer, Workbench, open_workbench
from leanebm.pipeline.energy.training_run import EnergyTrainingConfig, EnergyTrainingRun
from leanebm.pipeline.iteration.aggregate import Aggregate
from leanebm.testing import QED, ScriptedPolicy, ToyCertifier, ToyWorld


def state(k: int, n: int) -> str:
    return f"{k}{' succ' * n}" if n else QED


STEPS = {"down": -1, "up": 1, "leap": 3}
MOVES = {state(k, n): {name: state(k, n + by) for name, by in STEPS.items()} for k in range(40) for n in range(1, 12)}
WORLD = ToyWorld(moves=MOVES)
THEOREMS = [Theorem(name=f"t{k}", statement=state(k, 2 + k % 6)) for k in range(40)]
HEAD = EnergyTrainingConfig(hidden=(32,), trainer=EnergyTrainerConfig(max_steps=200))


@asynccontextmanager
async def toy_parts(config: RunConfig, observer: Observer) -> AsyncGenerator[Workbench]:
    lean = LeanParts(environment=WORLD, certifier=ToyCertifier(WORLD), lean_version="toy")
    async with open_workbench(config, observer, lean=lean) as bench:
        yield attrs.evolve(bench, policy=ScriptedPolicy.over(WORLD, seed=config.seed))


async def main(folder: Path) -> None:
    config = RunConfig(search=SearchConfig(budget=SearchBudget(max_expansions=8)))
    train, held_out, searches = THEOREMS[:24], THEOREMS[24:], list[Path]()
    best = await SearchRun(config, held_out, folder / "held_out", opening=toy_parts).run()
    print(f"{best.totals.proved} of {len(held_out)} proved without a head")
    for number in range(2):
        searches.append(folder / f"search_{number}")
        await SearchRun(attrs.evolve(config, seed=number), train, searches[-1], opening=toy_parts).run()
        aggregate, lessons, head = Aggregate.gather(searches), folder / f"lessons_{number}", folder / f"head_{number}"
        await aggregate.write(lessons)
        sources = EnergySources(negatives=(lessons,), val_trajectories=(folder / "held_out",))
        await EnergyTrainingRun(HEAD, sources, head).run()
        guided = attrs.evolve(config, energy=EnergyConfig(path=head, beta=1.0))
        found = await SearchRun(guided, held_out, folder / f"guided_{number}", opening=toy_parts).run()
        print(f"{found.totals.proved} with a head that learnt from {len(aggregate.proofs)} proofs")
        if found.totals.proved >= best.totals.proved:
            config, best = guided, found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(main(Path(name)))
