"""Expansions side by side: what is found depends on answers alone, and no budget is overrun."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from leanebm.core import Candidate, NodeStatus, ProofState, SearchOutcome, SearchResult, TacticOutcome, Theorem
from leanebm.errors import ConfigError, PolicyUnavailable
from leanebm.search import (
    AndOrSearch,
    BeamSearch,
    BestFirstSearch,
    DepthFirstSearch,
    LimitsSearch,
    PortfolioSearch,
    ProbingSearch,
    PuctSearch,
    SearchBudget,
    SearchConfig,
    stacked,
)
from leanebm.testing import QED, ScriptedPolicy, ToyCertifier, ToySession, ToyWorld, check_search

WIDE = ToyWorld.seeded(3, num_states=40)


@attrs.define(eq=False)
class Slow:
    """A policy and a session that take a random number of turns, and count who is there at once."""

    world: ToyWorld
    seed: int
    inside: int = 0
    most: int = 0
    opened: int = 0
    asked: list[str] = attrs.field(factory=list)
    ran: int = 0

    chance: random.Random = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - an order, not a secret

    async def turns(self) -> None:
        for _ in range(self.chance.randrange(20)):
            await asyncio.sleep(0)

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        self.asked.append(state.key)
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.turns()
            return await ScriptedPolicy.over(self.world, seed=7).propose(state, n)
        finally:
            self.inside -= 1

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[ToySession]:
        slow = self

        class Session(ToySession):
            async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
                await slow.turns()
                slow.ran += 1
                return await super().run_tactic(state, tactic, goal=goal)

        yield Session(self.world, theorem.statement or "", epoch=0)


async def run(
    parallel: int,
    seed: int = 0,
    *,
    world: ToyWorld = WIDE,
    start: str = "s0",
    kind: Any = BestFirstSearch,
    **budget: Any,
) -> tuple[SearchResult, Slow]:
    slow = Slow(world, seed)
    search = kind(
        policy=slow,
        environment=slow,
        certifier=ToyCertifier(world),
        config=SearchConfig(budget=SearchBudget(**budget), parallel_expansions=parallel),
    )
    return await search.run(Theorem(name="t", statement=start)), slow


def shape(result: SearchResult) -> list[tuple[Any, ...]]:
    return [
        (
            node.state.key,
            node.parent and node.parent.index,
            node.status,
            node.expansion,
            node.priority,
            *((edge.tactic, edge.kind, edge.target) for edge in node.edges),
        )
        for node in result.nodes
    ]


@pytest.mark.parametrize("parallel", [2, 3, 8])
async def test_the_tree_depends_on_the_answers_and_not_on_who_was_first(parallel: int) -> None:
    runs = [await run(parallel, chance, max_expansions=30) for chance in range(4)]
    assert len({repr(shape(result)) for result, _ in runs}) == 1
    assert all(1 < slow.most <= parallel for _, slow in runs)


async def test_one_at_a_time_is_the_search_that_it_was() -> None:
    (one, slow), (again, _) = await run(1, 1, max_expansions=30), await run(1, 2, max_expansions=30)
    assert shape(one) == shape(again)
    assert slow.most == 1


@pytest.mark.parametrize("parallel", [2, 5])
async def test_everything_is_tried_where_there_is_no_proof(parallel: int) -> None:
    world = ToyWorld(moves={str(n): {"up": str(n + 1), "skip": str(n + 2)} for n in range(12)} | {"12": {}, "13": {}})
    result, _ = await run(parallel, world=world, start="0")
    assert result.outcome is SearchOutcome.EXHAUSTED
    assert {node.state.key for node in result.nodes} == set(world.moves)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 20, 21, 22, 23])
@pytest.mark.parametrize("parallel", [2, 3, 8])
async def test_no_budget_is_overrun(parallel: int, limit: int) -> None:
    result, slow = await run(parallel, limit, max_tactic_calls=limit)
    assert result.statistics.tactic_calls <= limit
    assert slow.ran <= limit, "nor by what was run and then not needed"
    result, slow = await run(parallel, limit, max_expansions=limit)
    assert result.statistics.expansions == len(slow.asked) <= limit


async def test_a_proof_ends_the_others() -> None:
    world = ToyWorld(moves={"r": {"1": "a", "2": "b"}, "a": {"1": QED}, "b": {"1": "b1"}, "b1": {}})
    never = asyncio.Event()

    class Policy(Slow):
        async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:  # noqa: ARG002
            if state.key == "b":
                self.inside += 1
                try:
                    await never.wait()
                finally:
                    self.inside -= 1
            return [Candidate("1", -0.1), Candidate("2", -0.2)]

    slow = Policy(world, 0)
    search = BestFirstSearch(
        policy=slow, environment=slow, certifier=ToyCertifier(world), config=SearchConfig(parallel_expansions=2)
    )
    result = await search.run("r")
    assert result.outcome is SearchOutcome.PROVED
    assert slow.inside == 0, "it was cancelled, and not left behind"
    assert [node.status for node in result.nodes if node.state.key == "b"] == [NodeStatus.PARTIAL]


async def test_a_failure_waits_for_its_turn_and_cancels_what_comes_after() -> None:
    class Policy(Slow):
        async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
            if len(self.asked) >= 4:
                raise PolicyUnavailable("gone")
            return await super().propose(state, n)

    slow = Policy(WIDE, 0)
    search = BestFirstSearch(
        policy=slow, environment=slow, certifier=ToyCertifier(WIDE), config=SearchConfig(parallel_expansions=3)
    )
    result = await search.run("s0")
    assert result.outcome is SearchOutcome.INFRASTRUCTURE
    assert isinstance(result.error, PolicyUnavailable)
    assert sum(node.status in (NodeStatus.EXPANDED, NodeStatus.DEAD) for node in result.nodes) == 4
    assert slow.inside == 0


async def test_a_search_that_is_cancelled_leaves_nothing_running() -> None:
    slow = Slow(WIDE, 0)
    search = BestFirstSearch(
        policy=slow, environment=slow, certifier=ToyCertifier(WIDE), config=SearchConfig(parallel_expansions=4)
    )
    before = asyncio.all_tasks()
    running = asyncio.create_task(search.run("s0"))
    while slow.inside < 3:  # noqa: ASYNC110 - until several are under way, a few turns
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert slow.inside == 0
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("kind", [AndOrSearch, DepthFirstSearch, ProbingSearch])
def test_a_search_with_a_loop_of_its_own_says_that_it_goes_one_by_one(kind: Any) -> None:
    parts: Any = {"policy": None, "environment": None, "certifier": None}
    kind(**parts, config=SearchConfig(parallel_expansions=1))
    with pytest.raises(ConfigError, match=f"{kind.__name__} expands one node after the other"):
        kind(**parts, config=SearchConfig(parallel_expansions=2))


@pytest.mark.parametrize(
    "kind", [BeamSearch, LimitsSearch, PortfolioSearch, PuctSearch, stacked(PortfolioSearch, PuctSearch)]
)
async def test_searches_that_only_override_hooks_go_side_by_side(kind: Any) -> None:
    (result, slow), (again, _) = (
        await run(3, 1, kind=kind, max_expansions=20),
        await run(3, 2, kind=kind, max_expansions=20),
    )
    assert shape(result) == shape(again)
    assert 1 < slow.most <= 3


async def test_it_keeps_the_contract_of_a_search() -> None:
    def make(*, config: SearchConfig, **parts: Any) -> BestFirstSearch:
        return BestFirstSearch(config=attrs.evolve(config, parallel_expansions=3), **parts)

    await check_search(make)


async def test_no_tactic_is_run_behind_one_that_ends_the_proof() -> None:
    result, slow = await run(2, world=ToyWorld(moves={"r": {"1": QED, "2": QED, "3": QED}}), start="r")
    assert result.outcome is SearchOutcome.PROVED
    assert slow.ran == 1


async def test_no_tactic_is_begun_when_the_time_is_up() -> None:
    class Policy(Slow):
        async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
            await asyncio.sleep(0.06)
            return await super().propose(state, n)

    slow = Policy(WIDE, 0)
    config = SearchConfig(budget=SearchBudget(max_wall_s=0.05), parallel_expansions=2)
    await BestFirstSearch(policy=slow, environment=slow, certifier=ToyCertifier(WIDE), config=config).run("s0")
    assert slow.ran == 0
