"""Write an energy model, check that it keeps the contract, and weigh it against the policy, in the toy world."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from leanebm.core import ProofState, Theorem
from leanebm.search import (
    BestFirstSearch,
    CumulativeLogProb,
    NegativeEnergy,
    SearchBudget,
    SearchConfig,
    WeightedSum,
    WeightedTerm,
)
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld, check_energy_model

WORLD = ToyWorld.countdown(100)
THEOREMS = [Theorem(name=f"from_{n}", statement=str(n)) for n in range(40, 100)]


class TextLength:
    """The more there is to read, the higher the energy: a lower one is more provable."""

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        return [float(len(state.text)) for state in states]


async def expansions(beta: float) -> int:
    """What all searches together need if the energy has this weight. The model never decides alone: a scorer does."""
    terms = (WeightedTerm(scorer=CumulativeLogProb()), WeightedTerm(scorer=NegativeEnergy(), weight=beta))
    search = BestFirstSearch(
        policy=ScriptedPolicy.over(WORLD),
        environment=WORLD,
        certifier=ToyCertifier(WORLD),
        scorer=WeightedSum(terms),
        energy=TextLength(),
        config=SearchConfig(budget=SearchBudget(max_expansions=400)),
    )
    results = await asyncio.gather(*(search.run(theorem) for theorem in THEOREMS))
    return sum(result.statistics.expansions for result in results)


async def main() -> None:
    await check_energy_model(TextLength())
    for beta in (0.0, 1.0, 2.0):
        print(f"weight {beta}: {await expansions(beta)} expansions")


if __name__ == "__main__":
    asyncio.run(main())
