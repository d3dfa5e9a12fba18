"""Write a search of your own, check that it keeps the contract, and give it to a run, in the toy world."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from leanebm.core import Node, ProofCertifier, ProofEnvironment, SearchResult, TacticFate, TacticPolicy, Theorem
from leanebm.pipeline import Observer, Part, Parts, RunConfig, SearchRun, Workbench
from leanebm.search import SearchConfig, SearchObserver, SearchProgress, conduct_search
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld, check_search

WORLD = ToyWorld.countdown(32)


class LevelByLevel:
    """Expands all states of one depth before any of the next, and of each depth only the likeliest: a beam."""

    def __init__(
        self,
        *,
        policy: TacticPolicy,
        environment: ProofEnvironment,
        certifier: ProofCertifier,
        config: SearchConfig,
        observer: SearchObserver | None = None,
        width: int = 8,
    ) -> None:
        self.policy = policy
        self.environment = environment
        self.certifier = certifier
        self.config = config
        self.observer = observer
        self.width = width

    async def run(self, theorem: Theorem) -> SearchResult:
        return await conduct_search(theorem, self.environment, self._search, budget=self.config.budget)

    async def _search(self, progress: SearchProgress) -> None:
        level = [progress.tree.root]
        while level:
            children = [child for node in level for child in await self._expand(progress, node)]
            level = sorted(children, key=lambda node: -node.path_log_prob)[: self.width]

    async def _expand(self, progress: SearchProgress, node: Node) -> list[Node]:
        if progress.certificate is not None or not progress.meter.allows_expansion:
            return []
        if self.observer is not None:
            self.observer.on_expansion(progress, node)
        expansion = progress.begin_expansion(node)
        for candidate in await self.policy.propose(node.state, self.config.candidates_per_state):
            if not progress.meter.allows_tactic:
                return []
            edge = await progress.run_tactic(expansion, candidate)
            if edge.kind is TacticFate.FINISHED:
                await progress.certify(progress.tree.nodes[-1], self.certifier)
            if progress.certificate is not None:
                return []
        expansion.close()
        return expansion.children


@asynccontextmanager
async def toy_parts(config: RunConfig, _: Observer) -> AsyncIterator[Workbench]:
    yield Workbench(
        policy=ScriptedPolicy.over(WORLD),
        scorer=config.scorer,
        environment=WORLD,
        certifier=ToyCertifier(WORLD),
        lean_version="toy",
        make_search=config.parts.search.build,
    )


async def main() -> None:
    search = Part(LevelByLevel, {"width": 4})  # gets of a run what it names
    await check_search(search.build)
    config = RunConfig(parts=Parts(search=search))
    theorems = [Theorem(name=f"from_{n}", statement=str(n)) for n in (5, 12, 31)]
    with tempfile.TemporaryDirectory() as folder:
        summary = await SearchRun(config, theorems, folder, opening=toy_parts).run()
    print(f"{summary.totals.proved} of {summary.totals.attempted} proved in {summary.totals.expansions} expansions")


if __name__ == "__main__":
    asyncio.run(main())
