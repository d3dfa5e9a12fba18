"""Cancelled at each await, one after the other: nothing leaks, and the next call works."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from cancellation import cancel_at_every_await
from fake_worker import fake_worker_argv

from leanebm.core import Certificate, SearchOutcome, Theorem
from leanebm.lean import Certifier, CommandBackend, LeanPool, LeanPoolConfig, ReplayingEnvironment
from leanebm.lean.requests import Request
from leanebm.pipeline import RunConfig, SearchRun, WorkbenchOpener, summarise_run
from leanebm.pipeline.search import search_run
from leanebm.search import BestFirstSearch
from leanebm.search.scorers import BreadthFirst
from leanebm.storage import ShardWriter, ShardWriterConfig
from leanebm.testing import ScriptedPolicy, ToyWorld

UnrulyConfig = Callable[..., LeanPoolConfig]
ToyBench = Callable[..., WorkbenchOpener]

_THEOREM = Theorem(name="t", statement="p")
_TACTICS = ["step", "fail", "done"]
_live_states = Request("stat", {}, lambda reply: reply["nGoals"])


async def _assert_idle(pool: LeanPool) -> None:
    """Nothing is leased, nobody waits, and the worker holds no state that nobody can refer to."""
    statistics = pool.statistics()
    assert (statistics.open_proofs, statistics.waiting) == (0, 0)
    assert await pool.ask(_live_states) == 0
    assert pool.statistics().starts == 1, "cancelling a caller costs no worker"


@pytest.mark.parametrize("dialect", ["ours", "pantograph"])
async def test_a_proof_on_a_pool(dialect: str) -> None:
    backend = CommandBackend(argv=fake_worker_argv(dialect=dialect))
    async with LeanPool(LeanPoolConfig(backend=backend, num_workers=1, imports=())) as pool:

        async def prove() -> None:
            async with pool.open(_THEOREM) as proof:
                for tactic in _TACTICS:
                    await proof.run_tactic(proof.root, tactic)
                await proof.free([proof.root])

        sweep = await cancel_at_every_await(prove, afterwards=lambda: _assert_idle(pool))
        assert sweep.cancellations >= 8


async def test_proofs_that_wait_for_a_place(unruly_config: UnrulyConfig) -> None:
    async with LeanPool(unruly_config(max_open_proofs=1)) as pool:

        async def prove_two() -> None:
            first = await pool.open(_THEOREM)
            async with aclosing(first):
                await first.run_tactic(first.root, "done")
            async with pool.open(_THEOREM) as second:
                await second.run_tactic(second.root, "done")

        await cancel_at_every_await(prove_two, afterwards=lambda: _assert_idle(pool))


async def test_entering_and_leaving_a_pool(unruly_config: UnrulyConfig) -> None:
    before = psutil.Process().children()

    async def live() -> None:
        async with LeanPool(unruly_config()) as pool, pool.open(_THEOREM) as proof:
            await proof.run_tactic(proof.root, "done")

    async def check() -> None:
        assert psutil.Process().children() == before

    assert (await cancel_at_every_await(live, afterwards=check)).cancellations >= 40


async def test_a_proof_that_moves_to_another_worker(unruly_config: UnrulyConfig) -> None:
    async with LeanPool(unruly_config()) as pool:
        environment = ReplayingEnvironment(pool)

        async def survive() -> None:
            async with environment.open(_THEOREM) as proof:
                await proof.run_tactic(proof.root, "die")
                await proof.run_tactic(proof.root, "done")

        async def check() -> None:
            assert (pool.statistics().open_proofs, pool.statistics().waiting) == (0, 0)
            async with environment.open(_THEOREM) as proof:
                await proof.run_tactic(proof.root, "done")

        await cancel_at_every_await(survive, afterwards=check)


async def test_a_certifier_at_work(unruly_config: UnrulyConfig) -> None:
    async with Certifier(unruly_config()) as certifier:

        async def check() -> None:
            assert isinstance(await certifier.certify(_THEOREM, ["step", "done"]), Certificate)

        await check()  # which starts its worker
        workers = psutil.Process().children()
        await cancel_at_every_await(lambda: certifier.certify(_THEOREM, ["done"]), afterwards=check)
        assert psutil.Process().children() == workers, "cancelling a caller costs no worker"


async def test_a_certifier_while_it_starts_and_ends(unruly_config: UnrulyConfig) -> None:
    before = psutil.Process().children()

    async def live() -> None:
        async with Certifier(unruly_config(), max_certifications=1) as certifier:
            await certifier.certify(_THEOREM, ["done"])
            await certifier.certify(_THEOREM, ["step", "done"])  # by another worker

    async def check() -> None:
        assert psutil.Process().children() == before

    await cancel_at_every_await(live, afterwards=check)


async def test_a_search_over_real_workers(unruly_config: UnrulyConfig) -> None:
    async with LeanPool(unruly_config()) as pool, Certifier(unruly_config()) as certifier:
        search = BestFirstSearch(
            policy=ScriptedPolicy.of({"p": {"step": 0.6, "fail": 0.4}, "p'": {"done": 1.0}}),
            scorer=BreadthFirst(),
            environment=ReplayingEnvironment(pool),
            certifier=certifier,
        )
        await search.run(_THEOREM)  # starts the certifier's worker, which is to stay
        sweep = await cancel_at_every_await(lambda: search.run(_THEOREM), afterwards=lambda: _assert_idle(pool))
        assert sweep.result.outcome is SearchOutcome.PROVED


async def test_a_run_that_is_cancelled_anywhere_is_whole_and_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_bench: ToyBench
) -> None:
    at_once = partial(ShardWriter, config=ShardWriterConfig(max_wait_s=0.0))
    monkeypatch.setattr(search_run, "ShardWriter", at_once)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # power cuts are not what this is about, and it is run often
    opening = toy_bench(ToyWorld.countdown(32))
    theorems = tuple(Theorem(name=f"n{value}", statement=str(value)) for value in (3, 5))
    folders = (tmp_path / str(number) for number in range(10**6))
    folder = tmp_path

    def run(**settings: Any) -> SearchRun:
        return SearchRun(RunConfig(concurrency=2), theorems, folder, opening=opening, **settings)

    async def afresh() -> None:
        nonlocal folder
        folder = next(folders)
        await run().run()

    async def check() -> None:
        await run(resume=True).run()
        records = summarise_run(folder).records
        assert sorted(record.theorem.name for record in records) == ["n3", "n5"]
        assert {record.outcome for record in records} == {"proved"}
        assert not list(folder.rglob("*.part")) + list(folder.rglob("*.tmp"))

    sweep = await cancel_at_every_await(afresh, afterwards=check)
    assert sweep.cancellations >= 8
