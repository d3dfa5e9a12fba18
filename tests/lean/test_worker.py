"""The client cases 65 to 74 of the protocol: a worker that misbehaves in every way we know."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from leanebm.core import ProofState, StateRef, Theorem
from leanebm.errors import (
    CommandRefused,
    LeanInstallError,
    ProtocolError,
    StaleState,
    WorkerDied,
    WorkerLost,
    WorkerStartError,
    WorkerTimeout,
)
from leanebm.lean import CommandBackend, LeanPool, LeanPoolConfig, RetirementReason
from leanebm.lean._replies import TacticFailed
from leanebm.lean._worker import LeanWorker
from leanebm.lean.requests import Request, goal_delete, goal_start, goal_tactic, stat

FakeConfig = Callable[..., LeanPoolConfig]

_THEOREM = Theorem(name="t", statement="p")
_ROOT = StateRef(0, 0)


@asynccontextmanager
async def _worker(config: LeanPoolConfig) -> AsyncIterator[LeanWorker]:
    """A worker with one open proof, whose root is state 0."""
    async with LeanWorker.running(config) as worker:
        await worker.request(goal_start(_THEOREM, epoch=worker.epoch))
        yield worker


def _tactic(text: str) -> Request[Any]:
    return goal_tactic(_ROOT, text, timeout_s=10)


async def test_a_request_gets_its_answer(fake_config: FakeConfig) -> None:
    async with _worker(fake_config()) as worker:
        reply = await worker.request(_tactic("step"))
        assert isinstance(reply, ProofState)
        assert [goal.text for goal in reply.goals] == ["⊢ p'"]
        assert worker.requests == 2
        assert worker.rss_mib > 0
        assert worker.start_s > 0


async def test_a_refusal_leaves_the_worker_usable(fake_config: FakeConfig) -> None:
    async with _worker(fake_config()) as worker:
        with pytest.raises(CommandRefused, match="index"):
            await worker.request(goal_tactic(StateRef(0, 99), "step", timeout_s=1))
        assert isinstance(await worker.request(_tactic("step")), ProofState)


# --- 65, 69, 70: answers that are not the protocol ---


@pytest.mark.parametrize(
    ("tactic", "complaint"),
    [
        ("no id", "nextStateId|stateId"),
        ("no goals", "goals"),
        ("neither", "neither a new state nor a reason"),
        ("noise", "not a line of JSON"),
        ("list", "not an object"),
        ("not utf-8", "utf-8"),
        ("twice", "more than one line"),
        ("flood 100000", "more than 65536 bytes"),
    ],
)
async def test_nonsense_ends_the_worker_and_is_nobodys_proof(
    fake_config: FakeConfig, tactic: str, complaint: str
) -> None:
    async with _worker(fake_config(max_line_bytes=65536)) as worker:
        with pytest.raises(ProtocolError, match=complaint) as caught:
            await worker.request(_tactic(tactic))
        assert caught.value.command == "goal.tactic"
        assert (caught.value.worker, caught.value.epoch) == (worker.index, worker.epoch)
        assert await worker.wait_due() is RetirementReason.PROTOCOL
        assert not psutil.pid_exists(worker.pid)


async def test_noise_that_nobody_asked_for_ends_the_worker(fake_config: FakeConfig) -> None:
    async with _worker(fake_config()) as worker:
        assert isinstance(await worker.request(_tactic("late noise")), TacticFailed)
        assert await worker.wait_due() is RetirementReason.PROTOCOL
        with pytest.raises(StaleState, match="without being asked"):
            await worker.request(stat())


# --- 66: late answers ---


async def test_a_worker_that_does_not_answer_in_time_is_killed(fake_config: FakeConfig) -> None:
    async with _worker(fake_config()) as worker:
        told = r"within 0\.2 s \(tactic_timeout_s \+ tactic_grace_s, or request_deadline_s\) during goal\.tactic 'hang'"
        with pytest.raises(WorkerTimeout, match=told) as caught:
            await worker.request(_tactic("hang"), deadline_s=0.2)
        assert caught.value.elapsed_s >= 0.2
        assert await worker.wait_due() is RetirementReason.TIMEOUT
        assert not psutil.pid_exists(worker.pid)
        with pytest.raises(StaleState):
            await worker.request(_tactic("step"))


async def test_who_waits_behind_a_lost_request_is_not_blamed(fake_config: FakeConfig) -> None:
    async with _worker(fake_config(request_deadline_s=0.3)) as worker:
        hanging = asyncio.ensure_future(worker.request(_tactic("hang")))
        waiting = asyncio.ensure_future(worker.request(_tactic("step")))
        results = await asyncio.gather(hanging, waiting, return_exceptions=True)
        assert isinstance(results[0], WorkerTimeout)
        assert isinstance(results[1], StaleState)


# --- 67: cancelled callers ---


async def test_a_cancelled_callers_answer_reaches_nobody_else(fake_config: FakeConfig) -> None:
    async with _worker(fake_config()) as worker:
        abandoned: list[object] = []
        cancelled = asyncio.ensure_future(worker.request(_tactic("step"), on_abandoned=abandoned.append))
        while worker._current is None:  # noqa: ASYNC110 - until the request is on its way, a few turns
            await asyncio.sleep(0)
        cancelled.cancel()
        reply = await worker.request(_tactic("intro h"))
        assert isinstance(reply, ProofState)
        assert reply.goals[0].text == "h : Prop\n⊢ p"
        assert [state.goals[0].text for state in abandoned if isinstance(state, ProofState)] == ["⊢ p'"]
        with pytest.raises(asyncio.CancelledError):
            await cancelled


async def test_a_request_cancelled_before_its_turn_is_never_sent(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with _worker(fake_config(log=log)) as worker:
        first = asyncio.ensure_future(worker.request(_tactic("step")))
        second = asyncio.ensure_future(worker.request(_tactic("never sent")))
        await asyncio.sleep(0)
        second.cancel()
        await first
        await worker.request(stat())
    assert b"never sent" not in log.read_bytes()


# --- 68: dead workers ---


@pytest.mark.parametrize(
    ("tactic", "how"),
    [("die", "exit status 1"), ("exit 0", "exit status 0"), ("half", "exit status 0"), ("panic", "exit status 134")],
)
async def test_a_worker_that_ends_is_reported_with_its_end(fake_config: FakeConfig, tactic: str, how: str) -> None:
    async with _worker(fake_config()) as worker:
        with pytest.raises(WorkerDied, match=how) as caught:
            await worker.request(_tactic(tactic))
        assert ("PANIC" in caught.value.stderr_tail) == (tactic == "panic")
        assert await worker.wait_due() is RetirementReason.DIED


@pytest.mark.parametrize("whom", ["guard", "program"])
async def test_a_worker_killed_while_idle_is_noticed(fake_config: FakeConfig, whom: str) -> None:
    async with _worker(fake_config()) as worker:
        assert worker._process is not None
        pid = worker.pid if whom == "guard" else worker._process._family[0].pid
        os.kill(pid, signal.SIGKILL)
        assert await worker.wait_due() is RetirementReason.DIED
        assert not worker.is_alive
        with pytest.raises(StaleState, match="signal 9"):
            await worker.request(stat())


async def test_requests_that_are_open_when_a_worker_is_closed_end(fake_config: FakeConfig) -> None:
    async with _worker(fake_config()) as worker:
        hanging = asyncio.ensure_future(worker.request(_tactic("hang")))
        waiting = asyncio.ensure_future(worker.request(_tactic("step")))
        await asyncio.sleep(0)
        await worker.aclose()
        results = await asyncio.gather(hanging, waiting, return_exceptions=True)
        assert [type(result) for result in results] == [StaleState, StaleState]


# --- 71: starts ---


@pytest.mark.parametrize(
    ("scenario", "complaint"),
    [
        ({"banner": "ready", "startup_deadline_s": 3.0}, r"(?s) 3 s.*before any 'ready\.' it wrote:\nready"),
        ({"banner": "Lean (version 4)", "startup_deadline_s": 3.0}, r"(?s) 3 s.* it wrote:\nLean \(version 4\)"),
        ({"banner": "a warning\n" * 9999}, "more than 65536 bytes and never 'ready.'"),
        ({"banner": None, "startup_deadline_s": 0.5}, "not ready after 0.5 s"),
        ({"fail_starts": 9}, "exit status 3"),
        ({"max_rss_mib": 1}, "raise it"),
    ],
)
async def test_a_failed_start_says_why_and_leaves_nobody(
    fake_config: FakeConfig, scenario: dict[str, Any], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: list[int] = []
    become_ready = LeanWorker._become_ready

    async def spied(worker: LeanWorker, process: Any) -> None:
        pids.append(process.pid)
        await become_ready(worker, process)

    monkeypatch.setattr(LeanWorker, "_become_ready", spied)
    with pytest.raises(WorkerStartError, match=complaint) as caught:
        async with LeanWorker.running(fake_config(complaint="no such module: Mathlib\n", **scenario)):
            pytest.fail("it started")
    assert "no such module" in caught.value.stderr_tail or "banner" in scenario
    assert not psutil.pid_exists(pids[0])


async def test_what_lean_says_of_the_script_is_no_banner_and_in_nobodys_way(fake_config: FakeConfig) -> None:
    async with _worker(fake_config(banner="Repl.lean:1:0: warning: `x` has been deprecated\nready.")) as worker:
        assert isinstance(await worker.request(_tactic("step")), ProofState)


async def test_a_module_that_lean_misses_on_its_standard_output_is_named() -> None:
    """Lean 4.35 prints its messages there, and ends."""
    complaint = "Repl.lean:1:0: error: unknown module prefix 'Mathlib'"
    config = LeanPoolConfig(backend=CommandBackend(argv=("sh", "-c", f'echo "{complaint}"; exit 1')), imports=())
    with pytest.raises(WorkerStartError, match=r"it has no module Mathlib;(?s:.*)Repl\.lean:1:0: error") as caught:
        async with LeanWorker.running(config):
            pytest.fail("it started")
    assert caught.value.is_lasting


@pytest.mark.parametrize(
    ("script", "advice", "is_lasting"),
    [
        ("echo error: ././Repl.lean:3:4: x; exit 1", "written for Lean 4.28", True),
        ("echo INTERNAL PANIC: out of memory >&2; exit 1", "too little memory", False),
        ("kill -KILL $$", "killed by signal 9: most likely there was too little memory", False),
        ("exit 137", "too little memory", False),  # as Lake says it of what it ran
        ("echo hello; exit 1", "exit status 1; before any", False),
        (
            "echo error while loading shared libraries: libleanshared.so: cannot open shared object file >&2; exit 127",
            "exit status 127: the program does not find the Lean that it was built with: .*lake build",
            True,
        ),
        # What is said of elan and Lake is for those who use them.
        ("echo './log: permission denied'; exit 1", "exit status 1; before any", False),
        ("echo error: no default toolchain configured; exit 1", "exit status 1; before any", False),
        ("echo 'ssh: connection refused'; exit 1", "exit status 1; before any", False),
        ("echo \"unknown module prefix 'Own'\"; exit 1", "no module Own; your own command .*LEAN_PATH", True),
    ],
)
async def test_a_failed_start_says_what_to_do(script: str, advice: str, is_lasting: bool) -> None:
    config = LeanPoolConfig(backend=CommandBackend(argv=("sh", "-c", script)), imports=())
    with pytest.raises(WorkerStartError, match=advice) as caught:
        async with LeanWorker.running(config):
            pytest.fail("it started")
    assert caught.value.is_lasting is is_lasting


async def test_a_slow_start_is_told_of_once_for_all_workers(
    fake_config: FakeConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("leanebm.lean._worker._SAID_AFTER_S", 0.0)
    config = fake_config(banner=None, startup_deadline_s=0.5, num_workers=3, max_start_failures=1)
    with pytest.raises(WorkerStartError):
        async with LeanPool(config):
            pytest.fail("it was entered")
    assert sum("still starting; it has 0.5 s" in record.getMessage() for record in caplog.records) == 1


async def test_a_program_that_does_not_exist_fails_to_start() -> None:
    config = LeanPoolConfig(backend=CommandBackend(argv=("no-such-lean",)))
    with pytest.raises(WorkerStartError, match="cannot run 'no-such-lean'"):
        async with LeanWorker.running(config):
            pytest.fail("it started")


async def test_a_backend_that_cannot_be_prepared_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LeanInstallError):
        async with LeanWorker.running(LeanPoolConfig.native()):
            pytest.fail("it started")


# --- 73, 74 ---


async def test_a_newline_in_a_tactic_is_one_line_on_the_wire(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with _worker(fake_config(log=log)) as worker:
        await worker.request(_tactic("intro x\r\n\n  intro y"))
        await worker.request(goal_delete([_ROOT]))
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert [line["cmd"] for line in lines] == ["stat", "goal.start", "goal.tactic", "goal.delete"]
    assert lines[2]["payload"]["tactic"] == "intro x\r\n\n  intro y"


# --- limits ---


async def test_a_worker_is_due_after_its_requests(fake_config: FakeConfig) -> None:
    async with _worker(fake_config(max_requests=3)) as worker:
        await worker.request(_tactic("step"))
        assert not worker.is_due
        await worker.request(_tactic("step"))
        assert await worker.wait_due() is RetirementReason.REQUESTS
        assert worker.is_alive


async def test_a_worker_is_due_at_its_age(fake_config: FakeConfig) -> None:
    async with _worker(fake_config(max_age_s=0.3)) as worker:
        assert await worker.wait_due() is RetirementReason.AGE
        assert worker.age_s >= 0.3


async def test_a_worker_that_grows_is_due_and_one_that_grows_without_bound_is_killed(fake_config: FakeConfig) -> None:
    async with _worker(fake_config(max_rss_mib=60)) as worker:
        growing = asyncio.ensure_future(worker.request(_tactic("grow 70")))
        assert await worker.wait_due() is RetirementReason.MEMORY
        assert worker.is_alive
        growing.cancel()
    async with _worker(fake_config(max_rss_mib=60)) as worker:
        with pytest.raises(WorkerLost, match=r"grew to \d+ MiB during goal\.tactic"):
            await worker.request(_tactic("grow 150"))


async def test_pantograph_is_told_no_time_limit_for_all_its_commands(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with LeanWorker.running(fake_config(log=log, dialect="pantograph")) as worker:
        await worker.request(stat())
    assert {json.loads(line)["cmd"] for line in log.read_bytes().splitlines()} == {"stat"}
