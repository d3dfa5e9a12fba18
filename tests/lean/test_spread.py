from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from leanebm.core import ProofAdvanced, ProofFinished, ProofState, TacticOutcome, Theorem
from leanebm.errors import StaleState
from leanebm.lean import LeanPool, LeanPoolConfig, ReplayingEnvironment, SpreadingEnvironment, SpreadProof
from leanebm.testing import check_environment

FakeConfig = Callable[..., LeanPoolConfig]
_THEOREM = Theorem(name="t", statement="p")


@asynccontextmanager
async def _proof(config: LeanPoolConfig, most: int) -> AsyncIterator[SpreadProof]:
    async with LeanPool(config) as pool:
        while len(pool.statistics().workers) < config.num_workers:  # noqa: ASYNC110 - a pool tells nobody
            await asyncio.sleep(0.01)
        async with SpreadingEnvironment(ReplayingEnvironment(pool), most).open(_THEOREM) as proof:
            yield proof
        assert pool.statistics().open_proofs == 0


def _state(outcome: TacticOutcome) -> ProofState:
    assert isinstance(outcome, ProofAdvanced | ProofFinished)
    return outcome.state


async def _several(proof: SpreadProof, state: ProofState, *tactics: str) -> list[TacticOutcome]:
    return [outcome async for outcome in proof.run_tactics(state, tactics)]


def _pids(proof: SpreadProof) -> list[int]:
    return [lane._handle.pid for lane in proof._lanes]


async def test_it_keeps_the_contract_of_an_environment(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config(num_workers=2)) as pool:
        environment = SpreadingEnvironment(ReplayingEnvironment(pool), 2)
        await check_environment(environment, _THEOREM, proof=["step", "done"], rejected="fail")


async def test_two_states_are_worked_on_by_two_workers(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with _proof(fake_config(num_workers=2, log=log), 2) as proof:
        left = _state(await proof.run_tactic(proof.root, "intro h"))
        right = _state(await proof.run_tactic(proof.root, "step"))
        assert proof.num_workers == 1
        one, two = await asyncio.gather(_several(proof, left, *["step"] * 8), _several(proof, right, *["split"] * 8))
        assert proof.num_workers == len(set(_pids(proof))) == 2
        assert [_state(outcome).text for outcome in one] == ["h : Prop\n⊢ p'"] * 8
        assert [len(_state(outcome).goals) for outcome in two] == [2] * 8
        # What was made there lives there, and what was made here lives here.
        assert _state(await proof.run_tactic(_state(two[3]), "done")).text == "case right\n⊢ p'"
        asked = [json.loads(line) for line in log.read_bytes().splitlines()]
        assert [each["cmd"] for each in asked].count("goal.start") == 2
        assert [each["payload"]["tactic"] for each in asked if each["cmd"] == "goal.tactic"].count("step") == 2


async def test_one_at_a_time_needs_one_worker(fake_config: FakeConfig) -> None:
    async with _proof(fake_config(num_workers=2), 2) as proof:
        state = proof.root
        for _ in range(5):
            state = _state((await _several(proof, state, "fail", "step"))[1])
        assert proof.num_workers == 1


@pytest.mark.parametrize(("num_workers", "most"), [(1, 2), (2, 1)])
async def test_no_worker_is_taken_that_is_not_there_or_not_allowed(
    fake_config: FakeConfig, num_workers: int, most: int
) -> None:
    async with _proof(fake_config(num_workers=num_workers), most) as proof:
        both = await asyncio.gather(*(_several(proof, proof.root, *["step"] * 4) for _ in range(2)))
        assert [len(outcomes) for outcomes in both] == [4, 4]
        assert proof.num_workers == 1


async def test_a_way_that_takes_longer_than_the_tactics_is_not_replayed(fake_config: FakeConfig) -> None:
    async with _proof(fake_config(num_workers=2), 2) as proof:
        state = _state(await proof.run_tactic(proof.root, "step"))
        [lane] = proof._lanes
        lane._steps[state.ref].elapsed_s = 100.0
        await asyncio.gather(*(_several(proof, state, *["step"] * 8) for _ in range(2)))
        assert proof.num_workers == 1
        lane._steps[state.ref].elapsed_s = 0.0
        await asyncio.gather(*(_several(proof, state, *["step"] * 8) for _ in range(2)))
        assert proof.num_workers == 2


async def test_a_worker_that_is_lost_costs_nothing_but_time(fake_config: FakeConfig) -> None:
    async with _proof(fake_config(num_workers=3), 2) as proof:
        states = [_state(await proof.run_tactic(proof.root, tactic)) for tactic in ("intro h", "intro k")]
        await asyncio.gather(*(_several(proof, state, *["step"] * 8) for state in states))
        assert proof.num_workers == 2
        for victim in range(2):
            os.killpg(_pids(proof)[victim], signal.SIGKILL)
            both = await asyncio.gather(*(_several(proof, state, *["step"] * 8) for state in states))
            assert [{_state(outcome).text for outcome in outcomes} for outcomes in both] == [
                {"h : Prop\n⊢ p'"},
                {"k : Prop\n⊢ p'"},
            ]


async def test_freed_states_are_refused_everywhere(fake_config: FakeConfig) -> None:
    async with _proof(fake_config(num_workers=2), 2) as proof:
        states = [_state(await proof.run_tactic(proof.root, tactic)) for tactic in ("intro h", "intro k")]
        await asyncio.gather(*(_several(proof, state, *["step"] * 8) for state in states))
        await proof.free(states)
        for state in states:
            with pytest.raises(StaleState, match="freed"):
                await proof.run_tactic(state, "step")
    with pytest.raises(StaleState, match="closed"):
        await proof.run_tactic(proof.root, "step")


async def test_a_third_worker_goes_the_way_that_a_second_one_went(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config(num_workers=3)) as pool:
        environment = ReplayingEnvironment(pool)
        async with (
            environment.open(_THEOREM) as first,
            environment.open(_THEOREM) as second,
            environment.open(_THEOREM) as third,
        ):
            second.adopt(first.root.ref, first)
            made = _state(await second.run_tactic(first.root, "step"))
            third.adopt(made.ref, second)
            for _ in range(2):
                assert _state(await third.run_tactic(made, "step")).text == "⊢ p''"
                os.killpg(third._handle.pid, signal.SIGKILL)
