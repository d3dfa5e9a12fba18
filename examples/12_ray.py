"""Have the nodes of a Ray cluster search, here one cluster of this machine alone; the extra ``ray`` is needed."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from leanebm.core import Theorem
from leanebm.pipeline import Observer, RayEngine, RunConfig, SearchRun, Workbench, summarise_run
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld
from leanebm.trajectory import read_trajectory


@asynccontextmanager
async def toy_parts(config: RunConfig, _: Observer) -> AsyncGenerator[Workbench]:
    """Called on each node: what it opens stays there. Leave it out, and each node opens Lean and a policy client."""
    world = ToyWorld.countdown(32)
    yield Workbench(
        policy=ScriptedPolicy.over(world),
        scorer=config.scorer,
        environment=world,
        certifier=ToyCertifier(world),
        lean_version="toy",
    )


async def main() -> None:
    theorems = [Theorem(name=f"from_{n}", statement=str(n)) for n in range(3, 33)]
    engine = RayEngine(address="local")  # "HOST:6379" for a cluster that is there; the folder must be on a shared disk
    with tempfile.TemporaryDirectory() as folder:
        await SearchRun(RunConfig(), theorems, Path(folder), engine=engine, opening=toy_parts).run()
        totals = summarise_run(Path(folder)).totals
        writers = {shard.path.parent.name for shard in read_trajectory(folder).shards}
    print(f"{totals.proved} of {totals.attempted} proved, and written by {', '.join(sorted(writers))}")


if __name__ == "__main__":
    asyncio.run(main())
