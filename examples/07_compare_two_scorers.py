"""Search the same theorems under two scorers at the same budget, and compare them, paired; in the toy world."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from leanebm import CumulativeLogProb, RunConfig, SearchBudget, SearchConfig, SearchRun, ShortestState, Theorem
from leanebm.core import StateScorer
from leanebm.pipeline import Observer, Workbench, compare_runs
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

WORLD = ToyWorld.countdown(100)
THEOREMS = [Theorem(name=f"from_{n}", statement=str(n)) for n in range(20, 100)]
BUDGET = SearchConfig(budget=SearchBudget(max_expansions=24))


@asynccontextmanager
async def toy_parts(config: RunConfig, _: Observer) -> AsyncGenerator[Workbench]:
    yield Workbench(
        policy=ScriptedPolicy.over(WORLD),
        scorer=config.scorer,
        environment=WORLD,
        certifier=ToyCertifier(WORLD),
        lean_version="toy",
    )


async def main(folder: Path) -> None:
    arms: dict[str, StateScorer] = {"likeliest": CumulativeLogProb(), "shortest": ShortestState()}
    for name, scorer in arms.items():
        await SearchRun(RunConfig(search=BUDGET, scorer=scorer), THEOREMS, folder / name, opening=toy_parts).run()
    found = compare_runs(folder / "likeliest", folder / "shortest", budgets=(12, 16, 24))
    print("expansions: likeliest, shortest; only one of them; exact p")
    for row in found.budgets:
        only = f"{row.only_baseline} and {row.only_experiment}"
        print(f"{row.budget:.0f}: {row.baseline}, {row.experiment}; {only}; p = {row.p:.2g}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(main(Path(name)))
