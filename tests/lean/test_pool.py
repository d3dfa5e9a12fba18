from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import psutil
import pytest

from leanebm.core import ProofAdvanced, ProofFinished, Theorem
from leanebm.errors import (
    CommandRefused,
    LeanInstallError,
    PoolClosed,
    StaleState,
    WorkerDied,
    WorkerStartError,
    WorkerTimeout,
)
from leanebm.lean import CommandBackend, LeanPool, LeanPoolConfig, PoolStatistics, RetirementReason
from leanebm.lean._worker import LeanWorker
from leanebm.lean.requests import env_theorems, lean_version
from leanebm.testing import check_environment

FakeConfig = Callable[..., LeanPoolConfig]
_THEOREM = Theorem(name="t", statement="p")


async def _until(pool: LeanPool, condition: Callable[[PoolStatistics], bool]) -> PoolStatistics:
    """Wait for a change of the pool after which ``condition`` holds."""
    async with asyncio.timeout(60):
        while not condition(pool.statistics()):
            await pool._change.wait()
    return pool.statistics()


@asynccontextmanager
async def _full(config: LeanPoolConfig) -> AsyncIterator[LeanPool]:
    """A pool all of whose places are filled."""
    async with LeanPool(config) as pool:
        await _until(pool, lambda s: len(s.workers) == config.num_workers)
        yield pool


# --- library searches ---


def _times_made_ready(log: Path) -> int:
    return sum(json.loads(line)["cmd"] == "warm" for line in log.read_bytes().splitlines())


async def test_a_successor_gets_ready_while_it_waits(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with LeanPool(fake_config(log=log)) as pool:
        proof = await pool.open(_THEOREM)
        await proof.run_tactic(proof.root, "exact?")
        with pytest.raises(WorkerDied):
            await proof.run_tactic(proof.root, "die")
        await proof.aclose()
        await _until(pool, lambda s: s.starts == 2 and len(s.workers) == 1)
        assert await pool.ask(lean_version()) == "4.0.0-fake"
        assert _times_made_ready(log) == 2
    async with LeanPool(fake_config(log=log)) as pool:
        assert await pool.ask(lean_version()) == "4.0.0-fake"
    assert _times_made_ready(log) == 2


async def test_the_others_get_ready_when_they_have_no_proofs(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with _full(fake_config(log=log, num_workers=2)) as pool:
        first, second = await pool.open(_THEOREM), await pool.open(_THEOREM)
        await first.run_tactic(first.root, "exact?")
        await second.run_tactic(second.root, "step")
        assert _times_made_ready(log) == 1
        await second.aclose()
        await pool.ask(lean_version())
        await first.aclose()
        await pool.ask(lean_version())
    assert _times_made_ready(log) == 2


async def test_what_was_begun_for_a_caller_that_left_is_ready(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with LeanPool(fake_config(log=log)) as pool, pool.open(_THEOREM) as proof:
        running = asyncio.ensure_future(proof.run_tactic(proof.root, "exact?"))
        await asyncio.sleep(0)
        running.cancel()
        await proof.run_tactic(proof.root, "exact?")
        assert _times_made_ready(log) == 1


# --- life ---


async def test_a_pool_outside_its_block_refuses_work(fake_config: FakeConfig) -> None:
    pool = LeanPool(fake_config())
    with pytest.raises(PoolClosed, match="async with"):
        await pool.ask(lean_version())
    async with pool:
        assert await pool.ask(lean_version()) == "4.0.0-fake"
    with pytest.raises(PoolClosed, match="closed"):
        await pool.open(_THEOREM)
    with pytest.raises(PoolClosed, match="once"):
        await pool.__aenter__()


async def test_leaving_ends_every_process(fake_config: FakeConfig) -> None:
    async with _full(fake_config(num_workers=3)) as pool:
        pids = [worker.pid for worker in pool.statistics().workers]
        assert all(map(psutil.pid_exists, pids))
    assert not any(map(psutil.pid_exists, pids))
    assert pool.statistics().workers == ()


async def test_leaving_while_a_tactic_runs_ends_it(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool:
        proof = await pool.open(_THEOREM)
        running = asyncio.ensure_future(proof.run_tactic(proof.root, "hang"))
        await asyncio.sleep(0)
    with pytest.raises(PoolClosed):
        await running
    await proof.aclose()


async def test_the_blocks_own_error_is_raised_as_it_is(fake_config: FakeConfig) -> None:
    with pytest.raises(ZeroDivisionError):
        async with LeanPool(fake_config()):
            raise ZeroDivisionError


async def test_a_cancelled_block_leaves_nobody(fake_config: FakeConfig) -> None:
    pids: list[int] = []
    entered = asyncio.Event()

    async def block() -> None:
        async with LeanPool(fake_config()) as pool, pool.open(_THEOREM) as proof:
            pids.extend(worker.pid for worker in pool.statistics().workers)
            entered.set()
            await proof.run_tactic(proof.root, "hang")

    task = asyncio.ensure_future(block())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any(map(psutil.pid_exists, pids))


async def test_a_pool_cancelled_while_it_starts_leaves_nobody(fake_config: FakeConfig) -> None:
    before = set(psutil.Process().children(recursive=True))
    task = asyncio.ensure_future(LeanPool(fake_config(banner=None, num_workers=2)).__aenter__())
    async with asyncio.timeout(60):
        while len(set(psutil.Process().children()) - before) < 2:  # noqa: ASYNC110 - processes raise no events
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert set(psutil.Process().children(recursive=True)) <= before


async def test_an_unusable_backend_is_told_on_entering(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LeanInstallError):
        async with LeanPool(LeanPoolConfig.native()):
            pytest.fail("it was entered")


# --- placing ---


async def test_the_pool_keeps_the_contract_of_an_environment(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool:
        await check_environment(pool, _THEOREM, proof=["step", "done"], rejected="fail")


async def test_proofs_go_to_the_least_loaded_worker(fake_config: FakeConfig) -> None:
    async with _full(fake_config(num_workers=2)) as pool:
        async with pool.open(_THEOREM) as a, pool.open(_THEOREM) as b, pool.open(_THEOREM) as c:
            assert a._worker is not b._worker
            assert c._worker in (a._worker, b._worker)
            assert sorted(worker.open_proofs for worker in pool.statistics().workers) == [1, 2]
        assert pool.statistics().open_proofs == 0


async def test_a_proof_waits_while_all_workers_are_full(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config(max_open_proofs=1)) as pool:
        async with pool.open(_THEOREM):
            waiting = asyncio.ensure_future(pool.open(_THEOREM))
            await asyncio.sleep(0)
            assert pool.statistics().waiting == 1
            assert not waiting.done()
        proof = await waiting
        assert pool.statistics().waiting == 0
        await proof.aclose()


async def test_two_proofs_on_one_worker_do_not_mix(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool:

        async def prove(statement: str) -> list[str]:
            async with pool.open(Theorem(name=statement, statement=statement)) as proof:
                outcomes = [await proof.run_tactic(proof.root, "step") for _ in range(20)]
                return [outcome.state.text for outcome in outcomes if isinstance(outcome, ProofAdvanced)]

        results = await asyncio.gather(*(prove(name) for name in "abcd"))
        assert results == [[f"⊢ {name}'"] * 20 for name in "abcd"]


@pytest.mark.parametrize("dialect", ["ours", "pantograph"])
async def test_the_version_is_what_the_workers_say_or_else_their_toolchain(
    fake_config: FakeConfig, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    config = fake_config(dialect=dialect)
    command = attrs.evolve(config.prepare(), lean_version="4.26.0")
    monkeypatch.setattr(LeanPoolConfig, "prepare", lambda _: command)
    async with LeanPool(config) as pool:
        assert await pool.lean_version() == ("4.0.0-fake" if dialect == "ours" else "4.26.0")


async def test_requests_that_concern_no_proof(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool:
        page = await pool.ask(env_theorems(["Init"], offset=1))
        assert [theorem.name for theorem in page.theorems] == ["Toy.t1"]
        assert page.next_offset == 2
        assert pool.statistics().requests == 1
    async with LeanPool(fake_config(dialect="pantograph")) as pool:
        with pytest.raises(CommandRefused, match="Unknown command"):
            await pool.ask(env_theorems(["Init"]))


# --- 66, 68: losses ---


@pytest.mark.parametrize(("tactic", "error"), [("die", WorkerDied), ("hang", WorkerTimeout)])
async def test_a_lost_worker_is_replaced_and_its_states_are_refused(
    fake_config: FakeConfig, tactic: str, error: type[Exception]
) -> None:
    async with LeanPool(fake_config(request_deadline_s=2.0)) as pool:
        async with pool.open(_THEOREM) as proof, pool.open(_THEOREM) as bystander:
            with pytest.raises(error):
                await proof.run_tactic(proof.root, tactic)
            with pytest.raises(StaleState):
                await bystander.run_tactic(bystander.root, "step")
        async with pool.open(_THEOREM) as proof:
            assert proof._worker is not bystander._worker
            assert proof._worker.epoch > bystander._worker.epoch
            assert isinstance(await proof.run_tactic(proof.root, "done"), ProofFinished)
            with pytest.raises(StaleState, match="epoch"):
                await proof.run_tactic(bystander.root, "step")
        assert sum(pool.statistics().retirements.values()) == 1


async def test_a_hanging_worker_does_not_stop_the_others(fake_config: FakeConfig) -> None:
    async with _full(fake_config(num_workers=2)) as pool, pool.open(_THEOREM) as stuck, pool.open(_THEOREM) as free:
        hanging = asyncio.ensure_future(stuck.run_tactic(stuck.root, "hang"))
        assert isinstance(await free.run_tactic(free.root, "done"), ProofFinished)
        assert not hanging.done()
        hanging.cancel()


async def test_a_statement_that_kills_a_worker_is_not_tried_on_the_next(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool:
        with pytest.raises(WorkerDied, match=r"goal\.start"):
            await pool.open(Theorem(name="t", statement="die"))
        statistics = await _until(pool, lambda s: s.starts == 2)
        assert statistics.retirements == {RetirementReason.DIED: 1}


async def test_a_worker_killed_while_idle_is_replaced(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool:
        await pool.ask(lean_version())
        (victim,) = pool.statistics().workers
        os.kill(victim.pid, signal.SIGKILL)
        statistics = await _until(pool, lambda s: s.starts == 2)
        assert statistics.workers[0].epoch != victim.epoch
        assert statistics.requests == 1
        async with pool.open(_THEOREM) as proof:
            assert proof._worker.epoch == statistics.workers[0].epoch


# --- failing starts ---


async def test_a_start_that_fails_is_tried_again(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config(fail_starts=2)) as pool:
        assert pool.statistics().start_failures == 2
        assert pool.statistics().starts == 1


async def test_a_pool_that_cannot_start_says_so_on_entering(fake_config: FakeConfig) -> None:
    config = fake_config(num_workers=2, fail_starts=99, max_start_failures=2, complaint="no such module\n")
    with pytest.raises(WorkerStartError, match="no such module"):
        async with LeanPool(config):
            pytest.fail("it was entered")


async def test_a_start_that_can_only_fail_the_same_way_is_tried_once(fake_config: FakeConfig) -> None:
    complaint = "uncaught exception: unknown module prefix 'Mathlib'\n"
    pool = LeanPool(fake_config(fail_starts=99, complaint=complaint))
    with pytest.raises(WorkerStartError, match="it has no module Mathlib; your own command has to find it") as caught:
        async with pool:
            pytest.fail("it was entered")
    assert caught.value.is_lasting
    assert pool.statistics().start_failures == 1


async def test_starts_that_never_come_to_their_end_are_not_all_waited_for(fake_config: FakeConfig) -> None:
    """Over Mathlib each has ten minutes, two at a time."""
    pool = LeanPool(fake_config(banner=None, num_workers=16, max_starting=2, startup_deadline_s=0.5))
    with pytest.raises(WorkerStartError, match=r"was not ready after 0\.5 s"):
        async with pool:
            pytest.fail("it was entered")
    assert pool.statistics().start_failures == 2


async def test_slow_starts_after_one_that_was_ready_are_tried_again(
    fake_config: FakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, slow = LeanWorker.start, 0

    async def sometimes_slow(*arguments: Any, **more: Any) -> LeanWorker:
        nonlocal slow
        if pool.statistics().starts == 1 and slow < 2:
            slow += 1
            raise WorkerStartError("was not ready in time") from TimeoutError()
        return await start(*arguments, **more)

    monkeypatch.setattr(LeanWorker, "start", sometimes_slow)
    pool = LeanPool(fake_config())
    async with pool:
        os.kill(pool.statistics().workers[0].pid, signal.SIGKILL)
        await _until(pool, lambda s: s.starts == 2)
    assert slow == 2


async def test_a_program_that_is_not_there_is_tried_once() -> None:
    config = LeanPoolConfig(backend=CommandBackend(argv=("/no/such/program",)), num_workers=1)
    pool = LeanPool(config)
    with pytest.raises(WorkerStartError, match="cannot run '/no/such/program'"):
        async with pool:
            pytest.fail("it was entered")
    assert pool.statistics().start_failures == 1


async def test_a_pool_that_can_no_longer_start_tells_every_waiter(fake_config: FakeConfig, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    async with LeanPool(fake_config(gate=gate, max_start_failures=2)) as pool:
        async with pool.open(_THEOREM) as proof:
            gate.unlink()  # from now on a start ends with an exception
            with pytest.raises(WorkerDied):
                await proof.run_tactic(proof.root, "die")
        errors = await asyncio.gather(pool.open(_THEOREM), pool.ask(lean_version()), return_exceptions=True)
        assert [type(error) for error in errors] == [WorkerStartError, WorkerStartError]
        assert errors[0] is not errors[1]
        assert "FileNotFoundError" in str(errors[0])


@pytest.mark.parametrize(("settings", "most"), [({}, 5), ({"max_starting": 2}, 2)])
async def test_no_more_workers_start_at_once_than_may(
    fake_config: FakeConfig, monkeypatch: pytest.MonkeyPatch, settings: dict[str, int], most: int
) -> None:
    starting, peak = 0, 0
    start = LeanWorker.start

    async def counted(*arguments: Any, **more: Any) -> LeanWorker:
        nonlocal starting, peak
        starting += 1
        peak = max(peak, starting)
        try:
            return await start(*arguments, **more)
        finally:
            starting -= 1

    monkeypatch.setattr(LeanWorker, "start", counted)
    async with LeanPool(fake_config(num_workers=5, **settings)) as pool:
        await _until(pool, lambda s: len(s.workers) == 5)
    assert peak == most


async def test_a_worker_that_always_dies_at_once_is_given_up(fake_config: FakeConfig) -> None:
    config = fake_config(max_start_failures=1)
    async with LeanPool(config) as pool:
        (worker,) = pool.statistics().workers
        os.kill(worker.pid, signal.SIGKILL)
        await _until(pool, lambda s: not s.workers)
        with pytest.raises(WorkerStartError, match="single request"):
            await pool.ask(lean_version())


# --- recycling ---


async def test_the_replacement_is_ready_before_the_old_worker_goes(fake_config: FakeConfig, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def let_one_start() -> None:
        gate.open("wb").close()  # blocks until a worker waits at the gate

    opening = asyncio.ensure_future(asyncio.to_thread(let_one_start))
    async with LeanPool(fake_config(gate=gate, max_requests=3)) as pool:
        await opening
        async with pool.open(_THEOREM) as proof:
            for _ in range(10):  # far beyond the limit: the successor stands at the gate
                assert isinstance(await proof.run_tactic(proof.root, "step"), ProofAdvanced)
            async with pool.open(_THEOREM) as other:
                assert other._worker is proof._worker
            await asyncio.to_thread(let_one_start)
            statistics = await _until(pool, lambda s: len(s.workers) == 2)
            assert [worker.is_retiring for worker in statistics.workers] == [True, False]
            async with pool.open(_THEOREM) as newcomer:
                assert newcomer._worker is not proof._worker
            # The old worker serves its open proof to the end.
            assert isinstance(await proof.run_tactic(proof.root, "done"), ProofFinished)
        statistics = await _until(pool, lambda s: len(s.workers) == 1)
        assert statistics.retirements == {RetirementReason.REQUESTS: 1}
        await proof._worker.aclose()  # waits for its end
        assert not psutil.pid_exists(proof._worker.pid)


async def test_a_proof_that_outstays_the_drain_is_turned_out(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config(max_requests=2, max_drain_s=0.1)) as pool, pool.open(_THEOREM) as proof:
        await proof.run_tactic(proof.root, "step")
        await _until(pool, lambda s: s.starts == 2 and len(s.workers) == 1)
        with pytest.raises(StaleState, match="replaced"):
            await proof.run_tactic(proof.root, "step")


async def test_only_one_worker_at_a_time_is_being_replaced(fake_config: FakeConfig) -> None:
    most = 0
    async with _full(fake_config(num_workers=3, max_requests=5)) as pool:

        async def work() -> None:
            nonlocal most
            for _ in range(10):
                async with pool.open(_THEOREM) as proof:
                    await proof.run_tactic(proof.root, "step")
                    most = max(most, len(pool.statistics().workers))

        await asyncio.gather(*(work() for _ in range(6)))
        await _until(pool, lambda s: s.retirements.get(RetirementReason.REQUESTS, 0) >= 3)
        assert most <= 4


async def test_age_retires_a_worker_too(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config(max_age_s=1.0)) as pool:
        statistics = await _until(pool, lambda s: bool(s.retirements))
        assert statistics.retirements == {RetirementReason.AGE: 1}


def test_statistics_are_frozen(fake_config: FakeConfig) -> None:
    statistics: Any = LeanPool(fake_config()).statistics()
    with pytest.raises(AttributeError):
        statistics.requests = 7
    with pytest.raises(TypeError):
        statistics.retirements[RetirementReason.AGE] = 7


async def test_a_statement_is_a_theorem(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool:
        async with pool.open("p") as proof:
            assert isinstance(await proof.run_tactic(proof.root, "done"), ProofFinished)
        for given in (5, None, ["p"]):
            with pytest.raises(TypeError, match="expected a theorem, or its text"):
                pool.open(given)  # type: ignore[arg-type]
