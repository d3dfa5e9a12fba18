"""What the search's tests share: a way to run one in a toy world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from leanebm.core import EnergyModel, SearchResult, StateScorer, TacticPolicy, Theorem
from leanebm.search import BestFirstSearch, CumulativeLogProb, SearchBudget, SearchConfig
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

RunSearch = Callable[..., Awaitable[SearchResult]]


@pytest.fixture
def run_search() -> RunSearch:
    """``await run_search(world, start, policy, scorer=…, **budget)``."""

    async def run(
        world: ToyWorld,
        start: str,
        policy: TacticPolicy | None = None,
        *,
        scorer: StateScorer | None = None,
        energy: EnergyModel | None = None,
        search_class: type[BestFirstSearch] = BestFirstSearch,
        candidates_per_state: int = 16,
        max_frontier: int | None = None,
        **budget: Any,
    ) -> SearchResult:
        search = search_class(
            policy=ScriptedPolicy.over(world) if policy is None else policy,
            scorer=CumulativeLogProb() if scorer is None else scorer,
            environment=world,
            certifier=ToyCertifier(world),
            energy=energy,
            config=SearchConfig(
                budget=SearchBudget(**budget), candidates_per_state=candidates_per_state, max_frontier=max_frontier
            ),
            clock=world.clock,
        )
        return await search.run(Theorem(name="toy", statement=start))

    return run
