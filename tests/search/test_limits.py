from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from leanebm.core import Goal, ProofState, SearchOutcome, SearchResult, Theorem
from leanebm.search import LimitsSearch
from leanebm.testing import QED, ScriptedPolicy, ToyCertifier, ToySession, ToyWorld, check_search

RunSearch = Callable[..., Awaitable[SearchResult]]

HAVES = ToyWorld(
    moves={
        "r": {"have h": "h", "intro": "i"},
        "h": {"have h": "hh"},
        "hh": {"have h": "hhh"},
        "hhh": {},
        "i": {"intro": "ii"},
        "ii": {"intro": "iii"},
        "iii": {},
    }
)
POLICY = ScriptedPolicy.of({state: {"have h": 0.9, "intro": 0.1} for state in HAVES.moves})


def expanded(result: SearchResult) -> list[str]:
    nodes = [node for node in result.nodes if node.expansion is not None]
    return [node.state.key for node in sorted(nodes, key=lambda node: node.expansion or 0)]


def limits(**limits: int) -> Any:
    return functools.partial(LimitsSearch, **limits)


async def test_it_keeps_the_contract_of_a_search() -> None:
    await check_search(LimitsSearch)
    await check_search(limits(unchanged=0, haves=0))


async def test_a_chain_of_haves_is_put_off_and_not_lost(run_search: RunSearch) -> None:
    result = await run_search(HAVES, "r", POLICY, search_class=limits(haves=1, unchanged=99))
    assert expanded(result) == ["r", "h", "i", "ii", "iii", "hh", "hhh"]
    assert result.outcome is SearchOutcome.EXHAUSTED
    free = await run_search(HAVES, "r", POLICY, search_class=limits(haves=99, unchanged=99))
    assert expanded(free)[:4] == ["r", "h", "hh", "hhh"]


@attrs.frozen
class SameTarget:
    """A toy world in which all ``h…`` show the same target as the root, as if tactics changed hypotheses only."""

    world: ToyWorld

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[Any]:
        async with self.world.open(theorem) as session:
            yield _SameTarget(session)


class _SameTarget:
    def __init__(self, session: ToySession) -> None:
        self.session = session
        self.root = self._masked(session.root)
        self.free = session.free

    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> Any:
        outcome: Any = await self.session.run_tactic(state, tactic, goal=goal)
        return attrs.evolve(outcome, state=self._masked(outcome.state)) if hasattr(outcome, "state") else outcome

    def _masked(self, state: ProofState) -> ProofState:
        goals = (Goal(text=goal.text, target=goal.target.replace("h", "") or "r") for goal in state.goals)
        return attrs.evolve(state, goals=tuple(goals))


async def test_steps_that_leave_the_target_are_limited() -> None:
    class Masked(ScriptedPolicy):
        async def propose(self, state: ProofState, n: int) -> Any:
            return POLICY.script[state.key][:n]  # type: ignore[index]

    search = LimitsSearch(
        unchanged=1, haves=99, policy=Masked(script={}), environment=SameTarget(HAVES), certifier=ToyCertifier(HAVES)
    )
    assert expanded(await search.run("r"))[:3] == ["r", "h", "i"]
    assert expanded(await search.run("r"))[-2:] == ["hh", "hhh"]


async def test_a_proof_beyond_the_limits_is_found(run_search: RunSearch) -> None:
    world = ToyWorld(moves={**HAVES.moves, "hhh": {"have h": QED}})
    result = await run_search(world, "r", POLICY, search_class=limits(haves=0, unchanged=0))
    assert result.outcome is SearchOutcome.PROVED


def test_limits_are_not_negative() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        limits(haves=-1)(policy=POLICY, environment=HAVES, certifier=ToyCertifier(HAVES))
