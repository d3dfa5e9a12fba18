from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from leanebm.core import ProofState, Theorem
from leanebm.errors import ConfigError, StatementError, WorkerDied
from leanebm.pipeline import LogObserver, ProofService, RunConfig, ServiceLimits
from leanebm.testing import LOST, ToyWorld

Service = Callable[..., Any]


class Counted:
    """The toy world, which counts the proofs that are open in it, and can be slow."""

    def __init__(self, world: ToyWorld) -> None:
        self.world, self.now_open, self.closed = world, 0, asyncio.Event()
        self.delay_s = 0.0

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[Any]:
        async with self.world.open(theorem) as session:
            self.now_open += 1
            try:
                yield Slow(session, self)
            finally:
                self.now_open -= 1
                self.closed.set()


class Slow:
    """A proof whose tactics take their time."""

    def __init__(self, session: Any, world: Counted) -> None:
        self.root, self.session, self.world = session.root, session, world

    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> Any:
        await asyncio.sleep(self.world.delay_s)
        assert self.world.now_open, "it was closed under a tactic"
        return await self.session.run_tactic(state, tactic, goal=goal)

    async def free(self, states: Sequence[ProofState]) -> None:
        await self.session.free(states)


@pytest.fixture
def environment(world: ToyWorld) -> Counted:
    moves: Any = world.moves
    moves["m"] = {"die": LOST, "go": "4"}
    return Counted(world)


@pytest.fixture
def service(world: ToyWorld, environment: Counted, config: RunConfig, toy_bench: Callable[..., Any]) -> Service:
    @asynccontextmanager
    async def over(**limits: Any) -> AsyncIterator[ProofService]:
        opening = toy_bench(world, environment=environment)
        async with (
            opening(config, LogObserver()) as bench,
            ProofService.over(bench, config, ServiceLimits(**limits)) as found,
        ):
            yield found

    return over


async def test_a_proof_is_opened_stepped_and_certified(service: Service, environment: Counted) -> None:
    async with service() as proofs:
        opened = await proofs.open("4")
        assert opened == {"session": 1, "state": 0, "goals": "⊢ 4", "num_goals": 1}
        wrong = await proofs.step(1, 0, "nonsense")
        assert wrong["outcome"] == "rejected"
        assert wrong["message"] == "unknown tactic 'nonsense' at 4"
        half = await proofs.step(1, 0, "halve")
        assert (half["state"], half["goals"], half["tactics"]) == (1, "⊢ 2", ["halve"])
        assert (await proofs.step(1, 0, "decrement"))["goals"] == "⊢ 3"
        one = await proofs.step(1, half["state"], "halve")
        done = await proofs.step(1, one["state"], "done")
        assert done["outcome"] == "finished"
        verdict = await proofs.certify("4", done["tactics"])
        assert verdict["certified"] is True
        assert environment.now_open == 1
    assert environment.now_open == 0


async def test_a_refused_proof_is_no_error_and_a_search_certifies(service: Service) -> None:
    async with service() as proofs:
        assert (await proofs.certify("4", ["halve"]))["certified"] is False
        found = await proofs.prove("5")
        assert found["certified"] is True
        assert found["tactics"][-1] == "done"
        assert (await proofs.prove("31", max_expansions=1))["certified"] is False


async def test_sessions_and_states_are_bounded(service: Service, environment: Counted) -> None:
    async with service(max_sessions=2, max_states=2) as proofs:
        await proofs.open("4")
        await proofs.open("4")
        with pytest.raises(ConfigError, match=r"no more may be: close one of \[1, 2\]"):
            await proofs.open("4")
        await proofs.close(1)
        assert (await proofs.open("4"))["session"] == 3
        await proofs.step(2, 0, "halve")
        with pytest.raises(ConfigError, match="has 2 states, and no more may be"):
            await proofs.step(2, 0, "halve")
        with pytest.raises(ConfigError, match="there is no session 1"):
            await proofs.step(1, 0, "halve")
    assert environment.now_open == 0


async def test_a_proof_that_nobody_asks_about_is_closed(service: Service, environment: Counted) -> None:
    async with service(idle_s=0.01) as proofs:
        await proofs.open("4")
        async with asyncio.timeout(60):
            await environment.closed.wait()
        with pytest.raises(ConfigError, match="not asked about for"):
            await proofs.step(1, 0, "halve")


@pytest.mark.parametrize(("state", "goal"), [(5, 0), (-1, 0), (0, 1), (0, -1)])
async def test_wrong_numbers_are_named(service: Service, state: int, goal: int) -> None:
    async with service() as proofs:
        await proofs.open("4")
        with pytest.raises(ConfigError):
            await proofs.step(1, state, "halve", goal)


async def test_what_breaks_is_an_error_and_the_service_lives_on(service: Service) -> None:
    async with service() as proofs:
        with pytest.raises(StatementError):
            await proofs.open("99")
        number = (await proofs.open("m"))["session"]
        with pytest.raises(WorkerDied):
            await proofs.step(number, 0, "die")
        assert (await proofs.step(number, 0, "go"))["goals"] == "⊢ 4"
        with pytest.raises(ConfigError):
            await proofs.certify("4", [])
        with pytest.raises(ConfigError):
            await proofs.prove("4", max_expansions=0)


async def test_states_are_bounded_where_tactics_run_at_the_same_time(service: Service, environment: Counted) -> None:
    environment.delay_s = 0.01
    async with service(max_states=3) as proofs:
        await proofs.open("4")
        told = await asyncio.gather(*(proofs.step(1, 0, "halve") for _ in range(6)), return_exceptions=True)
        assert [isinstance(each, ConfigError) for each in told] == [False] * 2 + [True] * 4


async def test_a_proof_in_which_a_tactic_runs_is_not_closed(service: Service, environment: Counted) -> None:
    environment.delay_s = 0.2
    async with service(idle_s=0.05) as proofs:
        await proofs.open("4")
        assert (await proofs.step(1, 0, "halve"))["outcome"] == "advanced"
