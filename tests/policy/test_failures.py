"""The failure cases of the wire contract, each against a real server that misbehaves.

The cases about embeddings, adapters, weights and cancellation have modules of their own; each case has a
test here or there that bears its number.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from wires import SGLANG, WIRES, Wire

from leanebm.core import ProofState
from leanebm.errors import (
    ConfigError,
    PolicyBadRequest,
    PolicyOverloaded,
    PolicyProtocolError,
    PolicyTimeout,
    PolicyUnauthorized,
    PolicyUnavailable,
    PromptTooLong,
)
from leanebm.policy import PolicyClient
from leanebm.testing import Answer, FakePolicyServer, HangUp, Stall, Truncate, sample_object

Connect = Callable[..., PolicyClient]

CASES = {
    1: "the connection is refused, or the name does not resolve",
    2: "the connection ends before a status line",
    3: "our deadline passes",
    4: "503 on /health while starting",
    5: "503: the queue is full, the request waited too long, or was evicted",
    6: "500, or 502 and 504 from a proxy",
    7: "400: the input is too long",
    8: "400 for anything else, 422, error bodies of any shape",
    9: "401, 403",
    10: "404 on /model_info",
    11: "200, and a sample aborted",
    12: "wrong number of results, log-probabilities that are missing or none",
    13: "no tactic in a sample, or sorry",
    14: "a body that is not JSON, cut short, or too large",
    15: "an embedding of wrong width, zero, or not finite",
    16: "fewer hidden states than tokens",
    17: "a server or an encoder of the wrong kind",
    18: "the weights change under us",
    19: "the adapter is unknown",
    # 20, a change of weights that the server refuses, is met by nobody who asks for none.
    21: "the caller is cancelled",
    22: "slow but alive",
}


def test_every_case_has_a_test() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py"))
    assert {int(number) for number in re.findall(r"^async def test_case_(\d+)_", sources, re.MULTILINE)} == CASES.keys()


@pytest.fixture(params=WIRES, ids=[wire.api for wire in WIRES])
def wire(request: pytest.FixtureRequest) -> Wire:
    """Every API, for every case."""
    wire: Wire = request.param
    return wire


ONLY_SGLANG = pytest.mark.parametrize("wire", [SGLANG], indirect=True, ids=["sglang"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_case_1_refused_connections_are_retried_with_growing_pauses(
    connect: Connect, state: ProofState, time: Any
) -> None:
    async with connect(url=f"http://127.0.0.1:{free_port()}") as policy:
        with pytest.raises(PolicyUnavailable, match="cannot be reached") as caught:
            await policy.propose(state, 1)
    assert caught.value.attempts == 4
    assert len(time.pauses_s) == 3
    assert all(pause <= ceiling for pause, ceiling in zip(time.pauses_s, (0.25, 0.5, 1.0), strict=True))


async def test_case_1_a_name_that_does_not_resolve(connect: Connect, state: ProofState) -> None:
    async with connect(url="http://no-such-host.invalid", max_attempts=1) as policy:
        with pytest.raises(PolicyUnavailable):
            await policy.propose(state, 1)


async def test_case_1_an_address_with_encryption_where_there_is_none(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    async with connect(url=server.url.replace("http:", "https:"), max_attempts=1) as policy:
        with pytest.raises(PolicyUnavailable, match=r"no encrypted connection .*starts with http://"):
            await policy.propose(state, 1)


async def test_case_2_a_dropped_connection_is_replaced_at_once(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire, time: Any
) -> None:
    server.script(wire.path, wire.good, HangUp(), wire.good)
    async with connect() as policy:
        await policy.propose(state, 1)
        candidates = await policy.propose(state, 1)
    assert [c.tactic for c in candidates] == ["simp"]
    assert time.pauses_s == [0.0]
    assert len({request.connection for request in server.received}) == 2


async def test_case_2_after_the_first_it_is_an_outage(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire, time: Any
) -> None:
    server.script(wire.path, then=HangUp())
    async with connect() as policy:
        with pytest.raises(PolicyUnavailable, match=r"closed the connection|broke the connection"):
            await policy.propose(state, 1)
    assert time.pauses_s[0] == 0.0
    assert len(time.pauses_s) == 3
    assert all(pause > 0.0 for pause in time.pauses_s[1:])


async def test_case_3_our_deadline_closes_the_connection(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    server.script(wire.path, Stall())
    async with connect(deadline_s=0.5) as policy:
        with pytest.raises(PolicyTimeout, match=r"within 0\.5 s \(deadline_s of the policy client\)"):
            await policy.propose(state, 1)
        await server.client_left.wait()
    assert len(server.bodies(wire.path)) == 1


async def test_case_4_a_starting_server_is_waited_for(
    connect: Connect, server: FakePolicyServer, wire: Wire, time: Any
) -> None:
    server.script("/health", Answer(status=503), Answer(status=503), Answer())
    server.script("/model_info", Answer(json={"model_path": "m", "is_generation": True}))
    server.script(wire.path, wire.good)
    async with connect() as policy:
        info = await policy.wait_ready()
    assert info.model_path == "m"
    assert len(time.pauses_s) == 2


async def test_case_4_but_not_for_ever(connect: Connect, server: FakePolicyServer) -> None:
    server.script("/health", then=Answer(status=503))
    told: list[str] = []
    async with connect(startup_deadline_s=30) as policy:
        with pytest.raises(PolicyUnavailable, match="not healthy after 30 s"):
            await policy.wait_ready(told.append)
    assert len(told) == 1
    assert "HTTP 503" in told[0]
    assert told[0].endswith("it is tried for 30 s")


async def test_case_1_where_nothing_listens_the_wait_is_short_and_its_reason_is_told_at_once(
    connect: Connect, server: FakePolicyServer, time: Any
) -> None:
    url = server.url
    await server.__aexit__(None, None, None)
    told: list[tuple[float, str]] = []
    async with connect(url=url) as policy:
        with pytest.raises(PolicyUnavailable) as refused:
            await policy.wait_ready(lambda reason: told.append((time.clock(), reason)))
    assert told == [(0.0, f"{url}/health cannot be reached: connection refused; it is tried for 10 s")]
    assert time.clock() == 10.0
    assert "connection refused; tried for 10 s" in str(refused.value)
    assert "--patience" in str(refused.value)


async def test_case_1_an_encoder_that_is_not_there_is_not_called_the_policy(
    connect: Connect, server: FakePolicyServer
) -> None:
    server.offer_encoder()
    async with FakePolicyServer() as gone:
        url = gone.url
    told: list[str] = []
    async with connect(encoder={"url": url}) as policy:
        with pytest.raises(PolicyUnavailable, match=f"^the encoder's server: {url}/health cannot be reached"):
            await policy.wait_ready(told.append, tactics=False)
    assert [reason.partition(": http")[0] for reason in told] == ["the encoder's server"]


async def test_case_4_a_server_that_is_restarted_gets_the_short_patience_anew(
    connect: Connect, server: FakePolicyServer, time: Any
) -> None:
    server.script("/health", then=Answer(status=503))

    async def stop_at_20_s() -> None:
        if time.clock() == 20.0:
            await server.__aexit__(None, None, None)

    time.during_pause = stop_at_20_s
    async with connect(url=server.url, startup_deadline_s=600) as policy:
        with pytest.raises(PolicyUnavailable, match="connection refused; tried for 10 s"):
            await policy.wait_ready()
    assert time.clock() == 29.0  # ten seconds after it was last heard of


async def test_case_9_a_wrong_key_is_not_waited_for(connect: Connect, server: FakePolicyServer, time: Any) -> None:
    for path in ("/health", "/model_info", "/v1/models"):
        server.script(path, then=Answer(status=401))
    async with connect() as policy:
        with pytest.raises(PolicyUnauthorized, match="--api-key"):
            await policy.wait_ready()
    assert time.pauses_s == []


async def test_case_5_a_full_queue_lowers_the_limit_and_opens_no_circuit(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    full = {"object": "error", "message": "The request queue is full.", "type": "503", "param": None, "code": 503}
    server.script(wire.path, *[Answer(status=503, json=full)] * 7, wire.good)
    async with connect(max_sequences_in_flight=64) as policy:
        assert len(await policy.propose(state, 1)) == 1
        statistics = policy.statistics()
    assert statistics.overloads == 7
    assert statistics.concurrency_limit <= 2
    assert not statistics.is_circuit_open


async def test_case_5_until_the_deadline(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    server.script(wire.path, then=Answer(status=503, body=b"busy"))
    async with connect(deadline_s=60.0) as policy:
        with pytest.raises(PolicyOverloaded, match="busy"):
            await policy.propose(state, 1)
        assert not policy.statistics().is_circuit_open


async def test_case_5_retry_after_is_honoured(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire, time: Any
) -> None:
    server.script(wire.path, Answer(status=429, headers={"Retry-After": "7"}), wire.good)
    async with connect() as policy:
        await policy.propose(state, 1)
    assert time.pauses_s == [7.0]


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_case_6_server_errors_are_retried_twice(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire, status: int
) -> None:
    server.script(wire.path, then=Answer(status=status, body=b"<html>bad gateway</html>"))
    async with connect() as policy:
        with pytest.raises(PolicyUnavailable, match=str(status)) as caught:
            await policy.propose(state, 1)
    assert caught.value.attempts == 3


async def test_case_6_many_in_a_row_open_the_circuit_until_a_probe_succeeds(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire, time: Any
) -> None:
    server.script(wire.path, *[Answer(status=500)] * 5, then=wire.good)
    server.script("/health", Answer(status=503), Answer())
    async with connect() as policy:
        for _ in range(2):
            with pytest.raises(PolicyUnavailable):
                await policy.propose(state, 1)
        asked = len(server.received)
        with pytest.raises(PolicyUnavailable, match="asked again in"):
            await policy.propose(state, 1)
        assert len(server.received) == asked
        time.clock.advance(5.0)
        with pytest.raises(PolicyUnavailable, match="still not healthy"):
            await policy.propose(state, 1)
        time.clock.advance(10.0)
        assert len(await policy.propose(state, 1)) == 1
        assert not policy.statistics().is_circuit_open


async def test_case_7_a_prompt_too_long_is_said_once(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    said = "The input (40000 tokens) is longer than the model's context length (32768 tokens)."
    server.script(wire.path, Answer(status=400, json={"error": {"message": said}}))
    async with connect() as policy:
        with pytest.raises(PromptTooLong, match="40000 tokens"):
            await policy.propose(state, 1)
    assert len(server.bodies(wire.path)) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "temperature must be positive"}}),
        (400, {"error": "temperature must be positive"}),
        (400, {"object": "error", "message": "temperature must be positive", "type": "x", "param": None, "code": 400}),
        (422, {"detail": [{"loc": ["body", "sampling_params"], "msg": "temperature must be positive"}]}),
        (404, {"detail": "temperature must be positive"}),
    ],
)
async def test_case_8_refusals_are_final_and_keep_the_servers_words(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire, status: int, body: object
) -> None:
    server.script(wire.path, Answer(status=status, json=body))
    async with connect() as policy:
        with pytest.raises(PolicyBadRequest, match="temperature must be positive") as caught:
            await policy.propose(state, 1)
    assert caught.value.attempts == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_case_9_a_wrong_key_fails_fast_and_is_never_shown(
    connect: Connect,
    server: FakePolicyServer,
    state: ProofState,
    wire: Wire,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script(wire.path, Answer(status=status, json={"error": "Unauthorized: hunter2"}))
    async with connect(api_key="hunter2") as policy:
        with pytest.raises(PolicyUnauthorized) as caught:
            await policy.propose(state, 1)
    assert {request.headers["Authorization"] for request in server.received} == {"Bearer hunter2"}
    assert "hunter2" not in f"{caught.value}{caught.value.__cause__}{policy._config!r}{caplog.text}"
    assert len(server.bodies(wire.path)) == 1


async def test_case_9_a_key_echoed_in_a_refusal_is_blotted_out(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    server.script(wire.path, Answer(status=400, json={"error": "header was Bearer hunter2"}))
    async with connect(api_key="hunter2") as policy:
        with pytest.raises(PolicyBadRequest) as caught:
            await policy.propose(state, 1)
    assert "hunter2" not in str(caught.value)


@ONLY_SGLANG
async def test_case_10_older_servers_know_the_older_name(connect: Connect, server: FakePolicyServer) -> None:
    server.script("/get_model_info", Answer(json={"model_path": "old", "is_generation": True}))
    async with connect() as policy:
        assert (await policy.model_info()).model_path == "old"


@ONLY_SGLANG
async def test_case_10_and_some_know_neither(connect: Connect) -> None:
    async with connect() as policy:
        assert (await policy.model_info()).model_path is None


async def test_case_11_aborted_samples_are_dropped(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    server.script(wire.path, wire.answer(sample_object("si", -0.1, finish="abort"), sample_object("rfl", -0.2)))
    async with connect() as policy:
        candidates = await policy.propose(state, 2)
        assert policy.statistics().dropped_samples == 1
    assert [c.tactic for c in candidates] == ["rfl"]


async def test_case_11_if_all_are_aborted_it_is_tried_once_more(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    aborted = wire.answer(sample_object("", finish="abort"))
    server.script(wire.path, aborted, wire.good, aborted, aborted)
    async with connect() as policy:
        assert len(await policy.propose(state, 1)) == 1
        with pytest.raises(PolicyUnavailable, match="aborted all 1"):
            await policy.propose(state, 1)


SIMP = sample_object("simp", -0.1)


@pytest.mark.parametrize(
    "second",
    [
        [sample_object("rfl", -0.1)] * 2,
        [sample_object("rfl", float("nan"))],
        [sample_object("rfl", float("inf"))],
        [sample_object("rfl", None)],
        [sample_object("rfl", 0.5)],
        [sample_object("rfl", "-0.1")],  # type: ignore[arg-type]
        [sample_object("rfl", -0.1, finish="tired")],
        [{**sample_object("rfl", -0.1, token_texts=["rfl"]), "text": 5}],
        "rfl",
        {"error": "in a 200"},
        {"choices": []},
        {"choices": "rfl"},
        None,
    ],
)
async def test_case_12_answers_off_the_contract_are_retried_once_then_raised(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire, second: Any
) -> None:
    server.script(wire.path, then=wire.answer(SIMP, *second) if isinstance(second, list) else Answer(json=second))
    async with connect() as policy:
        with pytest.raises(PolicyProtocolError) as caught:
            await policy.propose(state, 2)
    assert caught.value.attempts == 2
    assert caught.value.url == server.url + wire.path


async def test_case_12_a_probability_of_zero_drops_the_sample(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    server.script(wire.path, wire.answer(sample_object("simp", -3.4e38), sample_object("rfl", -0.2)))
    async with connect() as policy:
        assert [c.tactic for c in await policy.propose(state, 2)] == ["rfl"]


async def test_case_13_samples_without_a_tactic_are_counted_not_returned(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    texts = ("", "  \n", "sorry", "exact absurd h (by admit)", "exact sorryAx_free", "simp")
    server.script(wire.path, wire.answer(*(sample_object(t, -0.1, ids=[i]) for i, t in enumerate(texts))))
    async with connect() as policy:
        candidates = await policy.propose(state, len(texts))
        assert policy.statistics().filtered_samples == 4
    assert {c.tactic for c in candidates} == {"exact sorryAx_free", "simp"}


@pytest.mark.parametrize("step", [Answer(body=b"<html>hello</html>"), Answer(body=b"[" * 100_000), Truncate()])
async def test_case_14_bodies_that_are_not_json_are_retried_once(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire, step: Any
) -> None:
    server.script(wire.path, step, wire.good, step, step)
    async with connect() as policy:
        assert len(await policy.propose(state, 1)) == 1
        with pytest.raises(PolicyProtocolError) as caught:
            await policy.propose(state, 1)
    assert caught.value.attempts == 2


async def test_case_14_a_body_beyond_the_cap_is_not_read(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    server.script(wire.path, then=Answer(body=b" " * 10_000))
    async with connect(max_response_bytes=1024) as policy:
        with pytest.raises(PolicyProtocolError, match="more than 1024 bytes"):
            await policy.propose(state, 1)


@ONLY_SGLANG
async def test_case_17_an_encoder_is_not_a_policy(connect: Connect, server: FakePolicyServer) -> None:
    server.script("/health", then=Answer())
    server.script("/model_info", then=Answer(json={"is_generation": False}))
    async with connect() as policy:
        with pytest.raises(ConfigError, match="only makes embeddings"):
            await policy.wait_ready()
        assert (await policy.wait_ready(tactics=False)).is_generation is False


async def test_case_22_latencies_and_the_queue_are_reported(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    let_go = asyncio.Event()
    server.script(wire.path, then=wire.answer(sample_object("simp", -0.1), wait_for=let_go))
    async with connect(max_sequences_in_flight=2) as policy:
        asking = [asyncio.create_task(policy.propose(state, 1)) for _ in range(5)]
        while len(server.bodies(wire.path)) < 2:
            server.arrived.clear()
            await server.arrived.wait()
        statistics = policy.statistics()
        assert (statistics.in_flight, statistics.waiting) == (2, 3)
        let_go.set()
        await asyncio.gather(*asking)
        assert len(server.bodies(wire.path)) == 5
        assert policy.statistics().latency_p50_s <= policy.statistics().latency_p95_s
