from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from leanebm.core import ProofAdvanced, ProofFinished, Theorem
from leanebm.errors import PoolClosed, StaleState, StatementError, WorkerDied, WorkerStartError
from leanebm.lean import BlockingLeanPool, LeanPoolConfig

FakeConfig = Callable[..., LeanPoolConfig]
_THEOREM = Theorem(name="t", statement="p")


def _prove(config: LeanPoolConfig) -> None:
    with BlockingLeanPool(config) as pool:
        pids = [worker.pid for worker in pool.statistics().workers]
        with pool.open(_THEOREM) as proof:
            outcome = proof.run_tactic(proof.root, "step")
            assert isinstance(outcome, ProofAdvanced)
            assert isinstance(proof.run_tactic(outcome.state, "done"), ProofFinished)
            proof.free([outcome.state])
            with pytest.raises(StaleState):
                proof.run_tactic(outcome.state, "done")
        assert pool.statistics().open_proofs == 0
    assert not any(map(psutil.pid_exists, pids))


def test_a_proof_in_a_script(fake_config: FakeConfig) -> None:
    _prove(fake_config())


async def test_a_proof_in_a_notebook_whose_loop_is_running(fake_config: FakeConfig) -> None:
    _prove(fake_config())


def test_a_proof_in_a_loop_that_asyncio_run_runs(fake_config: FakeConfig) -> None:
    async def cell() -> None:
        _prove(fake_config())

    asyncio.run(cell())


def test_a_pool_and_a_proof_last_over_cells(fake_config: FakeConfig) -> None:
    pool = BlockingLeanPool(fake_config()).start()
    assert pool.start() is pool
    proof = pool.open(_THEOREM)
    gc.collect()
    assert isinstance(proof.run_tactic(proof.root, "split"), ProofAdvanced)
    proof.close()
    with pytest.raises(StaleState, match="was closed"):
        proof.run_tactic(proof.root, "done")
    assert pool.statistics().open_proofs == 0
    pool.close()
    pool.close()
    proof.close()
    with pytest.raises(PoolClosed):
        pool.open(_THEOREM)


def test_a_forgotten_pool_ends_by_itself(fake_config: FakeConfig) -> None:
    pool = BlockingLeanPool(fake_config()).start()
    (worker,) = pool.statistics().workers
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "leanebm the Lean pool"]
    del pool
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()
    assert not psutil.pid_exists(worker.pid)


def test_no_thread_is_left(fake_config: FakeConfig) -> None:
    _prove(fake_config())
    assert not any("leanebm" in thread.name for thread in threading.enumerate())


def test_errors_are_those_of_the_pool(fake_config: FakeConfig) -> None:
    with BlockingLeanPool(fake_config()) as pool:
        with pytest.raises(StatementError), pool.open(Theorem(name="t", statement="bad")):
            pytest.fail("it opened")
        with pytest.raises(WorkerDied), pool.open(_THEOREM) as proof:
            proof.run_tactic(proof.root, "die")
    with pytest.raises(PoolClosed), pool.open(_THEOREM):
        pytest.fail("it opened")


def test_a_failed_start_is_raised_on_entering(fake_config: FakeConfig) -> None:
    with (
        pytest.raises(WorkerStartError, match="ready"),
        BlockingLeanPool(fake_config(banner="hello", startup_deadline_s=0.5, max_start_failures=1)),
    ):
        pytest.fail("it was entered")


def test_several_threads_may_share_a_pool(fake_config: FakeConfig) -> None:
    with BlockingLeanPool(fake_config()) as pool, ThreadPoolExecutor(4) as threads:

        def prove(_: int) -> bool:
            with pool.open(_THEOREM) as proof:
                return isinstance(proof.run_tactic(proof.root, "done"), ProofFinished)

        assert all(threads.map(prove, range(12)))
