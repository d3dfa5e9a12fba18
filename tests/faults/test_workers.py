"""Workers that misbehave under a tactic: it costs that edge, or the theorem says why it is not known; never more."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from leanebm.core import (
    ProofAdvanced,
    ProofFinished,
    SearchOutcome,
    SearchResult,
    TacticOutcome,
    TacticRejected,
    TacticTimedOut,
    Theorem,
)
from leanebm.errors import ProtocolError
from leanebm.lean import LeanPool, LeanPoolConfig, ReplayingEnvironment, RetirementReason

UnrulyConfig = Callable[..., LeanPoolConfig]
OpenSearcher = Callable[..., Any]

_THEOREM = Theorem(name="t", statement="p")
_IMPATIENT = {"request_deadline_s": 0.5}
_SMALL = {"max_line_bytes": 2**20}


def _edges(result: SearchResult) -> dict[str, str]:
    return {edge.tactic: edge.kind.value for node in result.nodes for edge in node.edges}


def _assert_proved(result: SearchResult) -> None:
    assert result.outcome is SearchOutcome.PROVED, result.error
    assert result.certificate is not None
    assert result.certificate.tactics == ("step", "done")


@pytest.mark.parametrize(
    ("tactic", "settings", "words"),
    [
        ("hang", _IMPATIENT, "no answer within 0.5 s"),
        ("late", _IMPATIENT, "no answer within 0.5 s"),
        ("stop", _IMPATIENT, "no answer within 0.5 s"),
        ("dangle", _IMPATIENT, "no answer within 0.5 s"),
        ("wail", _IMPATIENT, "no answer within 0.5 s"),
        ("stream", _SMALL, "a line of more than 1048576 bytes"),
        ("flood 209715200", _SMALL, "a line of more than 1048576 bytes"),
        ("die", {}, "two workers ended"),
        ("half", {}, "two workers ended"),
        ("panic", {}, "exit status 134"),
        ("close", {}, "two workers ended"),
        ("hoard", {"max_rss_mib": 60}, "MiB during goal.tactic"),
    ],
)
async def test_a_tactic_that_costs_its_workers_costs_one_edge(
    open_searcher: OpenSearcher, tactic: str, settings: dict[str, Any], words: str
) -> None:
    async with open_searcher(**settings) as searcher:
        result = await searcher.try_out(tactic)
        _assert_proved(result)
        assert _edges(result) == {"step": "advanced", tactic: "timed_out", "done": "finished"}
        [message] = [edge.message for node in result.nodes for edge in node.edges if edge.tactic == tactic]
        assert words in message
        assert searcher.pool.statistics().open_proofs == 0


@pytest.mark.parametrize("tactic", ["noise", "list", "not utf-8", "nul", "twice", "babble", "no id", "no goals"])
async def test_a_tactic_that_always_breaks_the_protocol_is_not_known_and_the_next_theorem_is(
    open_searcher: OpenSearcher, tactic: str
) -> None:
    async with open_searcher() as searcher:
        result = await searcher.try_out(tactic)
        assert result.outcome is SearchOutcome.INFRASTRUCTURE
        assert isinstance(result.error, ProtocolError)
        assert tactic not in _edges(result), "nothing is known about it, so nothing is said"
        _assert_proved(await searcher.try_out("step"))
        assert searcher.pool.statistics().retirements[RetirementReason.PROTOCOL] == 4, "three replays, and no more"


@pytest.mark.parametrize("tactic", ["die", "noise", "nul", "babble", "half", "close", "twice"])
async def test_what_happens_once_happens_to_nobody(open_searcher: OpenSearcher, tactic: str) -> None:
    async with open_searcher() as searcher:
        result = await searcher.try_out(f"{tactic} once")
        _assert_proved(result)
        assert _edges(result)[f"{tactic} once"] == "advanced"


async def test_a_torrent_on_standard_error_is_not_kept(open_searcher: OpenSearcher) -> None:
    async with open_searcher() as searcher:
        result = await searcher.try_out("wail 50000000")
        _assert_proved(result)
        assert _edges(result)["wail 50000000"] == "advanced"
        assert sum(searcher.pool.statistics().retirements.values()) == 0


@pytest.mark.parametrize("tactic", ["flood 209715200", "stream", "wail 209715200"])
async def test_what_a_worker_floods_us_with_does_not_stay_in_our_memory(
    open_searcher: OpenSearcher, tactic: str
) -> None:
    async with open_searcher(**_SMALL) as searcher:
        resident = psutil.Process().memory_info().rss
        tracemalloc.start()
        try:
            _assert_proved(await searcher.try_out(tactic))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 16 * 2**20
        assert psutil.Process().memory_info().rss - resident < 32 * 2**20


@pytest.mark.parametrize(("tactic", "answer"), [("stutter", ProofAdvanced), ("grumble", TacticRejected)])
async def test_an_answer_to_an_old_request_is_never_taken_for_the_next_ones(
    unruly_config: UnrulyConfig, tactic: str, answer: type[TacticOutcome]
) -> None:
    async with LeanPool(unruly_config()) as pool, pool.open(_THEOREM) as proof:
        assert isinstance(await proof.run_tactic(proof.root, tactic), answer)
        with pytest.raises(ProtocolError, match="another nonce"):
            await proof.run_tactic(proof.root, "done")


async def test_a_late_answer_dies_with_its_worker(unruly_config: UnrulyConfig) -> None:
    async with LeanPool(unruly_config(**_IMPATIENT)) as pool:
        async with pool.open(_THEOREM) as proof:
            late = proof._worker.pid
            asking = [proof.run_tactic(proof.root, tactic) for tactic in ("late", "done", "done")]
            answers = await asyncio.gather(*asking, return_exceptions=True)
            assert [type(answer).__name__ for answer in answers] == ["WorkerTimeout", "StaleState", "StaleState"]
        assert not psutil.pid_exists(late)
        async with pool.open(_THEOREM) as proof:
            assert isinstance(await proof.run_tactic(proof.root, "done"), ProofFinished)


@pytest.mark.parametrize(
    ("number", "hit", "answer"),
    [
        (signal.SIGKILL, "guard", ProofFinished),
        (signal.SIGKILL, "program", ProofFinished),
        (signal.SIGKILL, "guard, program", ProofFinished),
        (signal.SIGSTOP, "guard", ProofFinished),
        (signal.SIGSTOP, "program", TacticTimedOut),
        (signal.SIGSTOP, "guard, program", TacticTimedOut),
    ],
)
async def test_signals_from_outside_are_survived(
    unruly_config: UnrulyConfig, number: signal.Signals, hit: str, answer: type[TacticOutcome]
) -> None:
    async with LeanPool(unruly_config(**_IMPATIENT)) as pool, ReplayingEnvironment(pool).open(_THEOREM) as proof:
        guard = psutil.Process(pool.statistics().workers[0].pid)
        [program] = guard.children()
        for name in hit.split(", "):
            {"guard": guard, "program": program}[name].send_signal(number)
        assert isinstance(await proof.run_tactic(proof.root, "done"), answer)
        assert isinstance(await proof.run_tactic(proof.root, "done"), ProofFinished)


async def test_a_worker_lost_while_a_theorem_is_opened_is_tried_once_more(open_searcher: OpenSearcher) -> None:
    async with open_searcher() as searcher:
        deadly = Theorem(name="t", statement="die once")
        async with ReplayingEnvironment(searcher.pool).open(deadly) as proof:
            assert isinstance(await proof.run_tactic(proof.root, "done"), ProofFinished)


async def test_a_worker_that_has_grown_is_replaced_and_the_searches_go_on(open_searcher: OpenSearcher) -> None:
    async with open_searcher(max_rss_mib=60, max_requests=10**9) as searcher:
        result = await searcher.try_out("gain 70")
        _assert_proved(result)
        assert _edges(result)["gain 70"] == "advanced"
        while not searcher.pool.statistics().retirements:
            _assert_proved(await searcher.try_out("step"))
        assert dict(searcher.pool.statistics().retirements) == {RetirementReason.MEMORY: 1}


async def test_no_file_descriptors_left_is_a_failed_start_and_the_pool_recovers(unruly_config: UnrulyConfig) -> None:
    async with LeanPool(unruly_config(max_start_failures=10**6)) as pool:
        async with pool.open(_THEOREM) as proof:
            victim = proof._worker.pid
        with _no_descriptors_left():
            os.killpg(victim, signal.SIGKILL)
            while not pool.statistics().start_failures:  # noqa: ASYNC110 - the pool tells nobody
                await asyncio.sleep(0.01)
        async with pool.open(_THEOREM) as proof:
            assert isinstance(await proof.run_tactic(proof.root, "done"), ProofFinished)


@contextlib.contextmanager
def _no_descriptors_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    taken: list[int] = []
    try:
        with contextlib.suppress(OSError):  # that there are too many
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
