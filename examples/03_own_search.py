"""Write a search of your own, a beam; check that it keeps the contract, and run it, in the toy world."""

from __future__ import annotations

import asyncio

import attrs

from leanebm.core import Node, ProofCertifier, ProofEnvironment, SearchResult, TacticFate, TacticPolicy, Theorem
from leanebm.pipeline import Part
from leanebm.search import SearchConfig, SearchObserver, SearchProgress, conduct_search
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld, check_search


@attrs.define(kw_only=True)
class LevelByLevel:
    """Expands all states of one depth before any of the next, and of each depth only the likeliest."""

    policy: TacticPolicy
    environment: ProofEnvironment
    certifier: ProofCertifier
    config: SearchConfig = attrs.field(factory=SearchConfig)
    observer: SearchObserver | None = None
    width: int = 8

    async def run(self, theorem: Theorem) -> SearchResult:
        return await conduct_search(theorem, self.environment, self._search, budget=self.config.budget)

    async def _search(self, progress: SearchProgress) -> None:
        level = [progress.tree.root]
        while level and progress.certificate is None:
            children = [child for node in level for child in await self._expand(progress, node)]
            level = sorted(children, key=lambda node: -node.path_log_prob)[: self.width]

    async def _expand(self, progress: SearchProgress, node: Node) -> list[Node]:
        if progress.certificate or not progress.meter.allows_expansion:
            return []
        if self.observer is not None:
            self.observer.on_expansion(progress, node)
        expansion = progress.begin_expansion(node)
        for candidate in await self.policy.propose(node.state, self.config.candidates_per_state):
            if progress.certificate or not progress.meter.allows_tactic:
                return []
            edge = await progress.run_tactic(expansion, candidate)
            if edge.kind is TacticFate.FINISHED:
                await progress.certify(progress.tree.nodes[-1], self.certifier)
        expansion.close()
        return expansion.children


async def main() -> None:
    await check_search(Part(LevelByLevel, {"width": 4}).build)  # as a run makes it: it gets what its parameters name
    world = ToyWorld.countdown(32)
    search = LevelByLevel(policy=ScriptedPolicy.over(world), environment=world, certifier=ToyCertifier(world))
    result = await search.run(Theorem(name="from_31", statement="31"))
    print(result.outcome.sentence, result.statistics.expansions)


if __name__ == "__main__":
    asyncio.run(main())
