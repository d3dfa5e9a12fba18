"""Cancelled anywhere, a call leaves nothing behind, and the next one works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cancellation import cancel_at_every_await

from leanebm.core import ProofState
from leanebm.policy import PolicyClient
from leanebm.testing import Answer, Compute, FakePolicyServer, HangUp, Stall, sample_object

Connect = Callable[..., PolicyClient]
GOOD = Answer(json=sample_object("simp", -0.1))
FULL = Answer(status=503, json={"message": "full"})


@pytest.fixture
async def encoder() -> AsyncIterator[FakePolicyServer]:
    async with FakePolicyServer() as fake:
        fake.offer_encoder()
        yield fake


async def test_case_21_a_cancelled_caller_closes_the_connection_and_frees_its_room(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/generate", Stall(), GOOD)
    async with connect(max_sequences_in_flight=1) as policy:
        asking = asyncio.create_task(policy.propose(state, 1))
        await server.arrived.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await server.client_left.wait()
        assert policy.statistics().in_flight == 0
        assert policy.statistics().retries == 0
        assert len(await policy.propose(state, 1)) == 1


async def test_case_21_the_server_is_told_which_single_sample_nobody_waits_for(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/generate", Stall())
    server.script("/abort_request", Answer())
    async with connect() as policy:
        asking = asyncio.create_task(policy.propose(state, 1))
        await server.wait_for_requests("/generate", 1)
        asking.cancel()
        await server.wait_for_requests("/abort_request", 1)
    assert server.bodies("/abort_request") == [{"rid": server.bodies("/generate")[0]["rid"]}]


async def test_case_21_several_samples_have_no_name_to_be_told_by(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/generate", Stall())
    async with connect() as policy:
        asking = asyncio.create_task(policy.propose(state, 2))
        await server.wait_for_requests("/generate", 1)
        asking.cancel()
        await server.client_left.wait()
    assert "rid" not in server.bodies("/generate")[0]
    assert server.bodies("/abort_request") == []


async def test_case_21_a_server_that_does_not_listen_does_not_hold_us_up(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/generate", Stall())
    server.script("/abort_request", HangUp())
    async with connect() as policy:
        asking = asyncio.create_task(policy.propose(state, 1))
        await server.wait_for_requests("/generate", 1)
        asking.cancel()
        await server.wait_for_requests("/abort_request", 1)


async def test_case_21_each_attempt_has_a_name_of_its_own(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/generate", HangUp(), GOOD)
    async with connect() as policy:
        await policy.propose(state, 1)
    first, second = (body["rid"] for body in server.bodies("/generate"))
    assert first != second


async def settled(policy: PolicyClient) -> None:
    """Nothing is held, and nothing waits."""
    assert (policy.statistics().in_flight, policy.statistics().waiting) == (0, 0)
    assert not policy.statistics().is_circuit_open
    for server in {*policy._policy.fleet.servers, *policy._encoder.fleet.servers}:
        for session in (server._transport._pooled, server._transport._fresh):
            connector: Any = session.connector if session is not None else None
            assert not connector._acquired


@pytest.mark.parametrize("n", [1, 2])
async def test_case_21_propose_may_be_cancelled_at_every_await(
    connect: Connect, server: FakePolicyServer, state: ProofState, n: int
) -> None:
    server.script("/generate", then=Answer(json=[sample_object("simp", -0.1)] * n))
    server.script("/abort_request", then=Answer())

    async def check() -> None:
        await settled(policy)
        assert len(await policy.propose(state, n)) == 1

    async with connect(max_sequences_in_flight=n) as policy:
        sweep = await cancel_at_every_await(lambda: policy.propose(state, n), afterwards=check)
        assert [candidate.tactic for candidate in sweep.result] == ["simp"]
    assert sweep.cancellations >= 2


async def test_case_21_also_while_it_waits_for_room_and_between_retries(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    failures = iter(range(10**6))

    def answer(_: Any) -> Answer:
        return FULL if next(failures) % 2 == 0 else GOOD

    server.script("/generate", then=Compute(answer))
    server.script("/abort_request", then=Answer())

    async def two() -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(policy.propose(state, 1))

    async def check() -> None:
        await settled(policy)
        assert len(await policy.propose(state, 1)) == 1

    async with connect(max_sequences_in_flight=1) as policy:
        sweep = await cancel_at_every_await(two, afterwards=check)
    assert sweep.cancellations >= 10


async def test_case_21_opening_and_closing_a_client_may_be_cancelled_at_every_await(
    connect: Connect, server: FakePolicyServer, state: ProofState, encoder: FakePolicyServer, tmp_path: Path
) -> None:
    server.script("/generate", then=GOOD)
    server.script("/abort_request", then=Answer())
    server.script("/health", then=Answer())

    async def everything() -> int:
        async with connect(encoder={"url": encoder.url, "cache_file": tmp_path / "embeddings"}) as policy:
            await policy.wait_ready()
            await policy.propose(state, 1)
            return len(await policy.encode(["a", "b"]))

    sweep = await cancel_at_every_await(everything)
    assert sweep.result == 2
    assert sweep.cancellations >= 20
    await server.wait_for_disconnects()
    await encoder.wait_for_disconnects()


@pytest.mark.parametrize("is_stored", [False, True])
async def test_case_21_encode_may_be_cancelled_at_every_await(
    connect: Connect, server: FakePolicyServer, tmp_path: Path, is_stored: bool
) -> None:
    server.offer_encoder()
    numbers = iter(range(10**6))

    def fresh() -> list[str]:
        return [f"⊢ {next(numbers)} = {i}" for i in range(3)]

    async def check() -> None:
        await settled(policy)
        assert policy._encoding._embedder is not None
        assert not policy._encoding._embedder._in_flight
        assert not policy._encoding._embedder._gathering
        assert len(await policy.encode(fresh())) == 3

    encoder = {"batch_size": 2, "linger_s": 0.0, "cache_file": tmp_path / "embeddings" if is_stored else None}
    async with connect(encoder=encoder) as policy:
        await policy.identity()
        sweep = await cancel_at_every_await(lambda: policy.encode(fresh()), afterwards=check)
    assert len(sweep.result) == 3
    assert sweep.cancellations >= 6


async def test_case_21_a_cancelled_self_test_is_made_again(connect: Connect, server: FakePolicyServer) -> None:
    server.offer_encoder()

    async def check() -> None:
        await settled(policy)

    async def introduced() -> str:
        policy._encoding.forget()
        return (await policy.identity()).fingerprint

    async with connect() as policy:
        sweep = await cancel_at_every_await(introduced, afterwards=check)
        assert sweep.result == (await policy.identity()).fingerprint
    assert sweep.cancellations >= 12
