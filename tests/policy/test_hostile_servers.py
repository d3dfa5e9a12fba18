"""Servers that are worse than broken: slow on purpose, endless, dying in between, coming back as another."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import pytest
from wires import SGLANG, WIRES, Wire

from leanebm.core import ProofState
from leanebm.errors import PolicyError, PolicyOverloaded, PolicyProtocolError, PolicyTimeout, PolicyUnavailable
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.testing import Answer, Compute, Drip, FakePolicyServer, Raw, Step, Truncate, sample_object

Connect = Callable[..., PolicyClient]
HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(params=WIRES, ids=[wire.api for wire in WIRES])
def wire(request: pytest.FixtureRequest) -> Wire:
    """Every API, for every kind of malice."""
    wire: Wire = request.param
    return wire


@pytest.mark.parametrize(
    "slow",
    [
        Drip(),
        Raw(start=b"H", again=b""),
        Raw(start=HEAD + b"Transfer-Encoding: chunked\r\n\r\n", again=b"1\r\n \r\n"),
    ],
)
async def test_an_answer_that_never_ends_meets_a_bound(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire, slow: Step
) -> None:
    server.script(wire.path, then=slow)
    async with connect(deadline_s=0.3, max_attempts=1, max_response_bytes=10_000) as policy:
        with pytest.raises((PolicyTimeout, PolicyProtocolError, PolicyUnavailable)):
            await policy.propose(state, 1)
        await server.client_left.wait()
        assert policy.statistics().in_flight == 0


async def test_a_byte_at_a_time_does_not_stretch_the_deadline(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    server.script(wire.path, Drip())
    async with connect(deadline_s=1.0) as policy:
        with pytest.raises(PolicyTimeout):
            await policy.propose(state, 1)
        await server.client_left.wait()
        server.script(wire.path, wire.good)
        assert len(await policy.propose(state, 1)) == 1


@pytest.mark.parametrize(
    "flood",
    [
        Raw(start=HEAD, again=b"X-Flood: " + b"y" * 1000 + b"\r\n"),
        Raw(start=HEAD + b"X-Flood: ", again=b"y" * 10_000),
        Raw(start=b"", again=b"HTTP/1.1 100 Continue\r\n\r\n"),
        Raw(start=b"\x16\x03\x01" + bytes(100)),
        Raw(start=b"SSH-2.0-OpenSSH_9.6\r\n"),
    ],
    ids=["endless headers", "one endless header", "endless promises", "TLS", "SSH"],
)
async def test_what_is_no_http_is_refused(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire, flood: Raw
) -> None:
    server.script(wire.path, then=flood)
    async with connect(deadline_s=0.5, max_attempts=1) as policy:
        with pytest.raises(PolicyError):
            await policy.propose(state, 1)
        await server.client_left.wait()


async def test_a_body_larger_than_the_cap_is_cut_off_while_it_comes(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    start = HEAD + b"Content-Length: 100000000000\r\n\r\n"
    server.script(wire.path, then=Raw(start=start, again=b" " * 10_000))
    async with connect(max_response_bytes=100_000) as policy:
        with pytest.raises(PolicyProtocolError, match="more than 100000 bytes"):
            await policy.propose(state, 1)
        await server.client_left.wait()


async def test_a_compressed_answer_is_measured_unpacked(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    bomb = Answer(body=gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"})
    server.script(wire.path, then=bomb)
    async with connect(max_response_bytes=100_000) as policy:
        with pytest.raises(PolicyProtocolError):
            await policy.propose(state, 1)


async def test_a_storm_of_503_lets_the_calls_through_one_by_one(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    asked = 0

    def busy(_: Any) -> Answer:
        nonlocal asked
        asked += 1
        return wire.good if asked % 5 == 0 else Answer(status=503, json={"message": "The request queue is full."})

    server.script(wire.path, then=Compute(busy))
    async with connect(max_sequences_in_flight=32, deadline_s=10_000.0) as policy:
        answers = await asyncio.gather(*(policy.propose(state, 1) for _ in range(20)))
        statistics = policy.statistics()
    assert all(len(candidates) == 1 for candidates in answers)
    assert (statistics.overloads, statistics.in_flight) == (80, 0)
    assert statistics.concurrency_limit < 8
    assert not statistics.is_circuit_open


async def test_a_storm_that_does_not_end_is_given_up_at_the_deadline(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    server.script(wire.path, then=Answer(status=503))
    async with connect(deadline_s=60.0) as policy:
        answers = await asyncio.gather(*(policy.propose(state, 1) for _ in range(10)), return_exceptions=True)
        assert policy.statistics().in_flight == 0
    assert all(isinstance(answer, PolicyOverloaded) for answer in answers)


async def test_a_server_that_dies_in_mid_answer_and_comes_back_is_asked_again(
    connect: Connect, state: ProofState, wire: Wire, time: Any
) -> None:
    async with FakePolicyServer() as first:
        wire.introduce(first)
        first.script(wire.path, wire.good, Truncate(b'[{"text": "simp", "meta_inf'))
        async with connect(url=first.url) as policy:
            await policy.propose(state, 1)
            second = FakePolicyServer(port=first.port)
            second.script(wire.path, then=wire.good)

            async def restart() -> None:
                await first.__aexit__()
                await second.__aenter__()

            time.during_pause = restart
            assert len(await policy.propose(state, 1)) == 1
            assert len(second.received) == 1
        await second.__aexit__()


@pytest.mark.parametrize("wire", [SGLANG], indirect=True, ids=["sglang"])
async def test_a_server_that_comes_back_with_other_weights_is_found_out(
    state: ProofState, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakePolicyServer() as first:
        first.offer_encoder(weight_version="w1")
        first.script(wire.path, wire.answer(sample_object("simp", -0.1, weight_version="w1")))
        policy = PolicyClient(PolicyClientConfig(url=first.url))
        async with policy:
            before = await policy.encode(["⊢ p"]), await policy.identity()
            await policy.propose(state, 1)
            await first.__aexit__()
            async with FakePolicyServer(port=first.port) as second:
                second.offer_encoder(weight_version="w2")
                await policy.encode(["⊢ q"])
                after = await policy.encode(["⊢ p"]), await policy.identity()
    assert (before[1].weights, after[1].weights) == ("w1", "w2")
    assert before[0] != after[0]
    assert "from 'w1' to 'w2'" in caplog.text
