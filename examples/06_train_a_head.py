"""Search, train an energy head on what the searches found, and read what the head says of itself; without Lean."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from leanebm import EnergySources, EnergyTrainingConfig, EnergyTrainingRun, RunConfig, SearchRun, Theorem
from leanebm.energy.training import EnergyTrainerConfig
from leanebm.pipeline import LeanParts, Observer, Workbench, open_workbench
from leanebm.testing import QED, ScriptedPolicy, ToyCertifier, ToyWorld


def state(k: int, n: int) -> str:
    return f"{k}{' succ' * n}" if n else QED


STEPS = {"down": -1, "up": 1, "leap": 3}
MOVES = {state(k, n): {name: state(k, n + by) for name, by in STEPS.items()} for k in range(40) for n in range(1, 12)}
WORLD = ToyWorld(moves=MOVES)
THEOREMS = [Theorem(name=f"t{k}", statement=state(k, 2 + k % 6)) for k in range(40)]


@asynccontextmanager
async def toy_parts(config: RunConfig, observer: Observer) -> AsyncGenerator[Workbench]:
    """Everything as in a real run, but for Lean and the policy."""
    lean = LeanParts(environment=WORLD, certifier=ToyCertifier(WORLD), lean_version="toy")
    async with open_workbench(config, observer, lean=lean) as bench:
        yield attrs.evolve(bench, policy=ScriptedPolicy.over(WORLD))


async def main(folder: Path) -> None:
    for name, theorems in (("train", THEOREMS[:24]), ("val", THEOREMS[24:])):  # no theorem is on both sides
        await SearchRun(RunConfig(), theorems, folder / name, opening=toy_parts).run()
    sources = EnergySources(trajectories=(folder / "train",), val_trajectories=(folder / "val",))
    config = EnergyTrainingConfig(hidden=(32,), trainer=EnergyTrainerConfig(max_steps=200))
    report = await EnergyTrainingRun(config, sources, folder / "head").run()
    for name in ("pairwise_sibling", "auc_frontier", "auc_length_only"):  # docs/diagnostics.md says what they mean
        print(f"{name}: {report.metrics[name].value:.2f}")
    print(f"{report.verdict.grade.value}, so its weight in a search is {report.calibration.beta}")
    for alarm in report.alarms:
        print(alarm)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(main(Path(name)))
