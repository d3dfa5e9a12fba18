from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from leanebm.core import ProofState, SearchResult, TacticOutcome, Theorem
from leanebm.search import BestFirstSearch, CheapFirstSearch
from leanebm.testing import QED, ScriptedPolicy, ToyCertifier, ToySession, ToyWorld, check_search

RunSearch = Callable[..., Awaitable[SearchResult]]

WORLD = ToyWorld(moves={"r": {"go": "a"}, "a": {"go": "b"}, "b": {"go": QED}})
POLICY = ScriptedPolicy.of({state: {"grind": 0.5, "never": 0.3, "go": 0.2} for state in WORLD.moves})
SECONDS = {"grind": 2.0, "never": 0.001, "go": 0.001}


@attrs.frozen
class Slow:
    """The toy world, in which a tactic takes its time."""

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[_SlowSession]:
        async with WORLD.open(theorem) as session:
            yield _SlowSession(session)


@attrs.frozen
class _SlowSession:
    session: ToySession

    @property
    def root(self) -> ProofState:
        return self.session.root

    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        outcome = await self.session.run_tactic(state, tactic, goal=goal)
        return attrs.evolve(outcome, elapsed_s=SECONDS[tactic])

    async def free(self, states: Sequence[ProofState]) -> None:
        await self.session.free(states)


def orders(result: SearchResult) -> list[list[str]]:
    return [[edge.tactic for edge in node.edges] for node in result.nodes if node.edges]


async def test_it_keeps_the_contract_of_a_search() -> None:
    await check_search(CheapFirstSearch)


async def test_what_has_gone_through_quickly_comes_before_what_is_likelier_and_slow() -> None:
    search = CheapFirstSearch(policy=POLICY, environment=Slow(), certifier=ToyCertifier(WORLD))
    assert orders(await search.run("r")) == [["grind", "never", "go"], ["go", "never", "grind"], ["go"]]


async def test_within_expansions_it_proves_what_best_first_search_proves(run_search: RunSearch) -> None:
    for start in ("13", "21", "31"):
        arms: Any = (CheapFirstSearch, BestFirstSearch)
        first, second = [await run_search(ToyWorld.countdown(32), start, search_class=arm) for arm in arms]
        assert first.statistics.expansions == pytest.approx(second.statistics.expansions, abs=3)
        assert first.outcome is second.outcome
