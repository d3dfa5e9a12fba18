"""Search in the toy world, and look at what was tried as a data frame; needs the extra ``data``."""

# pyright: basic
# pandas does not say all of its types.

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from leanebm import Results, RunConfig, SearchRun, Theorem
from leanebm.pipeline import Observer, Workbench
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

WORLD = ToyWorld.countdown(32)


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
    theorems = [Theorem(name=f"from_{n}", statement=str(n)) for n in (5, 12, 31)]
    await SearchRun(RunConfig(), theorems, folder, opening=toy_parts).run()
    results = Results(folder)
    print(results.pandas("theorems")[["theorem", "outcome", "tactic_calls"]])
    print(results.pandas("nodes").groupby(["theorem", "status"]).size())  # docs/results-as-data.md lists the tables


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(main(Path(name)))
