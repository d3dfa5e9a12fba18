"""Write a scorer, check that it keeps the contract, and compare it with a baseline in the toy world."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from leanebm.core import Leaf, StateScorer, Theorem
from leanebm.search import BestFirstSearch
from leanebm.search.scorers import CumulativeLogProb
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld, check_scorer


class ShortestGoalFirst:
    """Prefers states with little left to read."""

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [-float(len(leaf.state.text)) for leaf in leaves]


async def expansions(scorer: StateScorer, world: ToyWorld) -> int:
    search = BestFirstSearch(
        policy=ScriptedPolicy.over(world), scorer=scorer, environment=world, certifier=ToyCertifier(world)
    )
    result = await search.run(Theorem(name="ninety_seven", statement="97"))
    return result.statistics.expansions


async def main() -> None:
    await check_scorer(ShortestGoalFirst())
    world = ToyWorld.countdown(100)
    for scorer in (CumulativeLogProb(), ShortestGoalFirst()):
        print(f"{type(scorer).__name__}: {await expansions(scorer, world)} expansions")


if __name__ == "__main__":
    asyncio.run(main())
