from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from leanebm.core import (
    ProofAdvanced,
    ProofFinished,
    ProofState,
    TacticOutcome,
    TacticRejected,
    TacticTimedOut,
    Theorem,
)
from leanebm.errors import ProtocolError, StaleState, WorkerLost
from leanebm.lean import LeanPool, LeanPoolConfig, ReplayingEnvironment, ReplayingProof, RetirementReason
from leanebm.testing import check_environment

FakeConfig = Callable[..., LeanPoolConfig]
_THEOREM = Theorem(name="t", statement="p")


@asynccontextmanager
async def _proof(config: LeanPoolConfig, *, max_replays: int = 3) -> AsyncIterator[ReplayingProof]:
    async with LeanPool(config) as pool, ReplayingEnvironment(pool, max_replays=max_replays).open(_THEOREM) as proof:
        yield proof


def _state(outcome: TacticOutcome) -> ProofState:
    assert isinstance(outcome, ProofAdvanced | ProofFinished)
    return outcome.state


def _kill_worker(proof: ReplayingProof) -> None:
    os.killpg(proof._handle._worker.pid, signal.SIGKILL)


async def test_it_keeps_the_contract_of_an_environment(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool:
        await check_environment(ReplayingEnvironment(pool), _THEOREM, proof=["step", "done"], rejected="fail")


async def test_a_killed_worker_is_not_noticed_by_the_search(fake_config: FakeConfig) -> None:
    async with _proof(fake_config()) as proof:
        state = proof.root
        for step in range(6):
            state = _state(await proof.run_tactic(state, "step"))
            _kill_worker(proof)
            assert state.text == "⊢ p" + "'" * (step + 1)
        assert isinstance(await proof.run_tactic(state, "done"), ProofFinished)
        assert proof.num_replays == 6


async def test_only_the_path_to_the_needed_state_is_replayed(fake_config: FakeConfig) -> None:
    async with _proof(fake_config()) as proof:
        side = _state(await proof.run_tactic(proof.root, "intro h"))
        state = _state(await proof.run_tactic(_state(await proof.run_tactic(proof.root, "step")), "step"))
        await proof.run_tactic(state, "die once")
        # goal.start, two steps, and the tactic itself
        assert proof._handle._worker.requests == 4
        assert _state(await proof.run_tactic(side, "step")).text == "h : Prop\n⊢ p'"
        assert proof._handle._worker.requests == 6


async def test_steps_on_chosen_goals_are_replayed_on_the_same_goals(fake_config: FakeConfig) -> None:
    async with _proof(fake_config()) as proof:
        split = _state(await proof.run_tactic(_state(await proof.run_tactic(proof.root, "split")), "split"))
        assert split.coupling == (0, 1, 2)
        state = _state(await proof.run_tactic(split, "intro h", goal=1))
        state = _state(await proof.run_tactic(state, "step", goal=2))
        assert [goal.text.count("'") for goal in state.goals] == [1, 0, 0]
        _kill_worker(proof)
        again = _state(await proof.run_tactic(state, "intro k", goal=2))
        assert [len(goal.hypotheses) for goal in again.goals] == [1, 0, 1]
        assert [goal.text.count("'") for goal in again.goals] == [0, 1, 0]
        with pytest.raises(ValueError, match="no goal 3"):
            await proof.run_tactic(state, "step", goal=3)


@pytest.mark.parametrize("tactic", ["die once", "noise once", "half once"])
async def test_a_tactic_that_breaks_a_worker_once_is_answered(fake_config: FakeConfig, tactic: str) -> None:
    async with _proof(fake_config()) as proof:
        assert _state(await proof.run_tactic(proof.root, tactic)).text == "⊢ p'"
        assert proof.num_replays == 1


@pytest.mark.parametrize(("tactic", "reason"), [("die", "two workers"), ("hang", "no answer")])
async def test_a_tactic_that_costs_its_worker_ran_into_a_limit(
    fake_config: FakeConfig, tactic: str, reason: str
) -> None:
    async with _proof(fake_config(request_deadline_s=2.0)) as proof:
        state = _state(await proof.run_tactic(proof.root, "step"))
        outcome = await proof.run_tactic(state, tactic)
        assert isinstance(outcome, TacticTimedOut)
        assert outcome.message.startswith(repr(tactic))
        assert reason in outcome.message
        # Only that edge: the state is good for other tactics.
        assert isinstance(await proof.run_tactic(state, "done"), ProofFinished)


async def test_tactics_that_waited_behind_a_deadly_one_are_run_again(fake_config: FakeConfig) -> None:
    async with _proof(fake_config()) as proof:
        tactics = ["step", "die", "intro h", "fail", "done"]
        outcomes = await asyncio.gather(*(proof.run_tactic(proof.root, tactic) for tactic in tactics))
        assert [type(outcome) for outcome in outcomes] == [
            ProofAdvanced,
            TacticTimedOut,
            ProofAdvanced,
            TacticRejected,
            ProofFinished,
        ]


async def test_of_several_tactics_only_those_without_an_answer_are_run_again(
    fake_config: FakeConfig, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    tactics = ["step", "intro h", "die once", "fail", "die", "intro k", "done", "step"]
    async with _proof(fake_config(log=log)) as proof:
        outcomes = [outcome async for outcome in proof.run_tactics(proof.root, tactics)]
        assert [type(outcome) for outcome in outcomes] == [
            ProofAdvanced,
            ProofAdvanced,
            ProofAdvanced,
            TacticRejected,
            TacticTimedOut,
            ProofAdvanced,
            ProofFinished,
        ]
        asked = [json.loads(line)["payload"] for line in log.read_bytes().splitlines()]
        assert [each["tactics"][0] for each in asked if "tactics" in each] == ["step", "die once", "die", "intro k"]
        assert _state(await proof.run_tactic(_state(outcomes[1]), "step")).text == "h : Prop\n⊢ p'"


async def test_the_time_for_several_tactics_does_not_begin_anew_on_another_worker(fake_config: FakeConfig) -> None:
    async with _proof(fake_config(tactic_timeout_s=0.1, tactic_grace_s=0.1)) as proof:
        outcomes = [outcome async for outcome in proof.run_tactics(proof.root, ["hang", "step"], within_s=0.05)]
        assert [type(outcome) for outcome in outcomes] == [TacticTimedOut], "when it was known, the time was over"
        outcomes = [outcome async for outcome in proof.run_tactics(proof.root, ["die once", "step"], within_s=0.0)]
        assert [type(outcome) for outcome in outcomes] == [ProofAdvanced], "there is always one"


async def test_losses_that_are_no_tactics_fault_are_raised_in_the_end(fake_config: FakeConfig) -> None:
    async with _proof(fake_config(), max_replays=2) as proof:
        with pytest.raises(ProtocolError):
            await proof.run_tactic(proof.root, "noise")
        assert proof.num_replays == 2


async def test_an_answered_tactic_starts_the_count_anew(fake_config: FakeConfig) -> None:
    async with _proof(fake_config(), max_replays=1) as proof:
        for _ in range(3):
            _kill_worker(proof)
            assert isinstance(await proof.run_tactic(proof.root, "step"), ProofAdvanced)
        assert proof.num_replays == 3


async def test_no_replays_means_none(fake_config: FakeConfig) -> None:
    async with _proof(fake_config(), max_replays=0) as proof:
        with pytest.raises(WorkerLost):
            await proof.run_tactic(proof.root, "die once")


async def test_a_path_that_leads_elsewhere_is_stale(fake_config: FakeConfig) -> None:
    async with _proof(fake_config()) as proof:
        state = _state(await proof.run_tactic(proof.root, "step"))
        proof._steps[state.ref].key = "another"  # as if Lean had answered differently
        _kill_worker(proof)
        with pytest.raises(StaleState, match="led elsewhere"):
            await proof.run_tactic(state, "step")


async def test_a_freed_state_is_refused_but_its_descendants_survive(fake_config: FakeConfig) -> None:
    async with _proof(fake_config()) as proof:
        first = _state(await proof.run_tactic(proof.root, "step"))
        second = _state(await proof.run_tactic(first, "step"))
        await proof.free([proof.root, first])
        await proof.free([first])
        with pytest.raises(StaleState, match="freed"):
            await proof.run_tactic(first, "step")
        for _ in range(2):
            _kill_worker(proof)
            assert _state(await proof.run_tactic(second, "step")).text == "⊢ p'''"
        # Of the replayed path the worker keeps the root and what may still be asked for.
        assert proof._steps[first.ref].here is None


async def test_a_recycled_worker_is_left_in_good_order(fake_config: FakeConfig) -> None:
    async with _proof(fake_config(max_requests=5, max_drain_s=0.05), max_replays=1) as proof:
        state = proof.root
        for _ in range(40):
            state = _state(await proof.run_tactic(state, "step"))
            await asyncio.sleep(0.01)
        assert state.text.count("'") == 40
        assert proof.num_replays >= 1


async def test_states_of_other_proofs_are_refused(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool, pool.open(_THEOREM) as other, _opened(pool) as proof:
        with pytest.raises(StaleState, match="another proof"):
            await proof.run_tactic(other.root, "step")
        with pytest.raises(StaleState, match="another proof"):
            await other.run_tactic(proof.root, "step")


@asynccontextmanager
async def _opened(pool: LeanPool) -> AsyncIterator[ReplayingProof]:
    async with ReplayingEnvironment(pool).open(_THEOREM) as proof:
        yield proof


async def test_many_proofs_outlive_a_killer(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config(num_workers=2)) as pool:
        environment = ReplayingEnvironment(pool, max_replays=10)
        steps = [0] * 8

        async def prove(number: int) -> str:
            async with environment.open(_THEOREM) as proof:
                state = proof.root
                for _ in range(100):
                    state = _state(await proof.run_tactic(state, "step"))
                    steps[number] += 1
                return state.text

        async def kill() -> None:
            for _ in range(8):
                before = list(steps)
                # A tactic under which two workers ended is taken for deadly: let each proof come on in between.
                while any(now == then < 100 for now, then in zip(steps, before, strict=True)):  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
                for worker in pool.statistics().workers[:1]:
                    os.killpg(worker.pid, signal.SIGKILL)

        *texts, _ = await asyncio.gather(*(prove(number) for number in range(8)), kill())
        assert texts == ["⊢ p" + "'" * 100] * 8
        assert pool.statistics().retirements[RetirementReason.DIED] > 0
        assert pool.statistics().open_proofs == 0


async def test_deadly_tactics_of_others_are_not_counted_against_a_proof(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool:
        environment = ReplayingEnvironment(pool, max_replays=2)

        async def poison() -> None:
            async with environment.open(_THEOREM) as proof:
                assert isinstance(await proof.run_tactic(proof.root, "die"), TacticTimedOut)

        async with environment.open(_THEOREM) as proof:
            others = [asyncio.ensure_future(poison()) for _ in range(4)]
            while pool.statistics().open_proofs < 5:  # noqa: ASYNC110 - until all have asked
                await asyncio.sleep(0)
            assert isinstance(await proof.run_tactic(proof.root, "done"), ProofFinished)
            await asyncio.gather(*others)
