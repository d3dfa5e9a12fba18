"""Run many searches with an observer of one's own, in the toy world; the folder is a temporary one."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from leanebm.core import Theorem
from leanebm.pipeline import (
    Observer,
    PipelineEvent,
    RunConfig,
    SearchedTheorem,
    SearchRun,
    StageProgressed,
    Workbench,
    summarise_run,
)
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

WORLD = ToyWorld.countdown(32)


class Teller:
    """Prints each proof when it is on the disk."""

    def notify(self, event: PipelineEvent) -> None:
        match event:
            case StageProgressed(item=SearchedTheorem(theorem=theorem, proof=Path() as proof), done=done, total=total):
                print(f"{done} of {total}: {theorem.name}, proved in {proof.name}")
            case _:
                pass


@asynccontextmanager
async def toy_parts(config: RunConfig, _: Observer) -> AsyncGenerator[Workbench]:
    yield Workbench(
        policy=ScriptedPolicy.over(WORLD),
        scorer=config.scorer,
        environment=WORLD,
        certifier=ToyCertifier(WORLD),
        lean_version="toy",
    )


async def main() -> None:
    theorems = [Theorem(name=f"from_{n}", statement=str(n)) for n in (5, 12, 31)]
    with tempfile.TemporaryDirectory() as folder:
        await SearchRun(RunConfig(), theorems, Path(folder), observer=Teller(), opening=toy_parts).run()
        totals = summarise_run(Path(folder)).totals
    print(f"{totals.proved} of {totals.attempted} proved")


if __name__ == "__main__":
    asyncio.run(main())
