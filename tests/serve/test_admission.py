"""Requests that wait or end early, connections that send nothing, and hosts whose names came to mean this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

from leanebm.errors import PolicyBadRequest
from leanebm.serve._admission import Aborts, Admission, QueueFull, host_of, is_loopback


async def test_so_many_run_so_many_wait_and_one_more_is_turned_away() -> None:
    admission = Admission(max_running=1, max_queue=1)
    done = asyncio.Event()

    async def work() -> None:
        async with admission.admit():
            await done.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(work())
        tasks.create_task(work())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (admission.running, admission.waiting) == (1, 1)
        with pytest.raises(QueueFull):
            await work()
        done.set()
    assert (admission.running, admission.waiting) == (0, 0)


async def test_without_a_queue_a_free_slot_still_lets_in() -> None:
    admission = Admission(max_running=1, max_queue=0)
    async with admission.admit():
        with pytest.raises(QueueFull):
            async with admission.admit():
                pass
    async with admission.admit():
        assert admission.running == 1


async def test_a_cancelled_waiter_leaves_no_trace() -> None:
    admission = Admission(max_running=1, max_queue=1)

    async def work() -> None:
        async with admission.admit():
            raise AssertionError("it never gets in")

    async with admission.admit():
        waiter = asyncio.create_task(work())
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert admission.waiting == 0


async def turns() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_sequences_are_counted_and_order_is_kept() -> None:
    admission = Admission(max_running=4, max_queue=10)
    order: list[str] = []
    gates = {name: asyncio.Event() for name in "abc"}

    async def work(name: str, sequences: int) -> None:
        async with admission.admit(sequences):
            order.append(name)
            await gates[name].wait()

    async with asyncio.TaskGroup() as tasks:
        for name, sequences in (("a", 2), ("b", 3), ("c", 1)):
            tasks.create_task(work(name, sequences))
        await turns()
        assert order == ["a"]  # c would fit, but b came first
        assert (admission.running, admission.waiting) == (2, 4)
        gates["a"].set()
        await turns()
        assert order == ["a", "b", "c"]
        assert (admission.running, admission.waiting) == (4, 0)
        for gate in gates.values():
            gate.set()
    assert admission.running == 0


async def test_a_request_larger_than_all_places_runs_alone() -> None:
    admission = Admission(max_running=4, max_queue=4)
    async with admission.admit(100):
        assert admission.running == 4
        waiter = asyncio.create_task(_hold(admission, 100))
        await turns()
        assert admission.waiting == 4
        with pytest.raises(QueueFull):
            await _hold(admission, 1)
    await waiter
    assert (admission.running, admission.waiting) == (0, 0)


async def test_a_large_waiter_that_gives_up_stands_in_nobodys_way() -> None:
    admission = Admission(max_running=2, max_queue=10)
    async with admission.admit(1):
        large, small = (asyncio.create_task(_hold(admission, sequences)) for sequences in (2, 1))
        await turns()
        large.cancel()
        await small
        assert admission.running == 1
    assert (admission.running, admission.waiting) == (0, 0)


async def test_one_that_gives_up_as_it_is_let_in_returns_its_place() -> None:
    admission = Admission(max_running=1, max_queue=1)
    async with admission.admit():
        waiter = asyncio.create_task(_hold(admission, 1))
        await turns()
    waiter.cancel()  # it has been let in, and does not know yet
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert (admission.running, admission.waiting) == (0, 0)


async def _hold(admission: Admission, sequences: int) -> None:
    async with admission.admit(sequences):
        pass


def test_one_is_aborted_by_its_name_and_all_without() -> None:
    aborts = Aborts()
    with aborts.listening("a") as a, aborts.listening("b") as b, aborts.listening("") as unnamed:
        aborts.abort("a")
        aborts.abort("")
        aborts.abort("nobody")
        assert [event.is_set() for event in (a, b, unnamed)] == [True, False, False]
        aborts.abort(None)
        assert [event.is_set() for event in (a, b, unnamed)] == [True, True, True]


def test_a_name_is_taken_while_its_request_is_open() -> None:
    aborts = Aborts()
    with aborts.listening("a") as first:
        with pytest.raises(PolicyBadRequest, match="'a'"), aborts.listening("a"):
            pass
        aborts.abort("a")
        assert first.is_set()
    with aborts.listening("a") as second:
        assert not second.is_set()


def test_many_may_have_no_name() -> None:
    aborts = Aborts()
    with aborts.listening("") as one, aborts.listening("") as two:
        assert one is not two


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[str, bytes], Awaitable[Connection]]

NOTHING = b""
HALF_A_HEAD = b"POST /generate HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
A_HEAD_FOR = (
    b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)
HALF_A_BODY = A_HEAD_FOR % 99 + b"{"
A_WHOLE_ONE = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens a connection, says something, and keeps it open until the test ends."""
    async with AsyncExitStack() as open_ones:

        async def to(url: str, said: bytes) -> Connection:
            address = urlsplit(url)
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            open_ones.callback(writer.close)
            writer.write(said)
            return reader, writer

        yield to


async def test_one_connection_too_many_is_told_so_and_has_its_place_once_another_goes(
    serve: Any, connect: Connect
) -> None:
    client = await serve(max_connections=300)
    held = [
        await connect(client.url, said) for said in (NOTHING, HALF_A_HEAD, HALF_A_BODY, A_WHOLE_ONE) for _ in range(75)
    ]
    for reader, _ in held[-75:]:
        await reader.readuntil(b"\r\n\r\n")  # answered, and kept alive: all are accepted by now
    reader, _ = await connect(client.url, NOTHING)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert "Too many connections" in json.loads(body)["error"]["message"]

    held[0][1].close()
    while (reply := await client.generate(text="a")).status == 503:
        pass  # until the server has seen it go
    assert reply.json["text"] == "a#0"


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """What is read until the other side closes; nothing if it had closed before our first byte arrived (a reset)."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def test_hundreds_that_never_finish_are_cut_off_and_leave_nothing_behind(serve: Any, connect: Connect) -> None:
    client = await serve(max_connections=300, receive_s=0.05)
    held = [await connect(client.url, said) for said in (NOTHING, HALF_A_HEAD, HALF_A_BODY) for _ in range(100)]
    ends = [await until_closed(reader) for reader, _ in held]
    assert set(ends[:200]) <= {b""}
    said = [end for end in ends[200:] if end]
    assert said, "a machine so slow that every connection was cut before it said anything shows nothing here"
    assert all(end.startswith(b"HTTP/1.1 408 ") for end in said)
    assert (await client.generate(text="a")).status == 200


async def test_a_head_that_drips_wins_no_time_by_it(serve: Any, connect: Connect) -> None:
    client = await serve(receive_s=0.05)
    reader, writer = await connect(client.url, HALF_A_HEAD)
    while not reader.at_eof() and reader.exception() is None:
        writer.write(b"a")
        await asyncio.sleep(0)


async def test_an_answer_that_nobody_takes_is_not_kept_for_ever(serve: Any, connect: Connect) -> None:
    client = await serve(max_connections=1, receive_s=0.2)
    body = json.dumps({"text": "a" * 10**6, "sampling_params": {"n": 16}}).encode()
    reader, _ = await connect(client.url, A_HEAD_FOR % len(body) + body)
    await reader.readuntil(b"\r\n\r\n")  # and no more: what remains is too much for the buffers in between
    while (reply := await client.generate(text="a")).status == 503:
        pass  # until the only place is free
    assert reply.status == 200
    assert len(await reader.read()) < 16 * 10**6


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost:30000", "localhost"),
        ("LocalHost", "localhost"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("[::1]:30000", "::1"),
        ("evil.example:30000", "evil.example"),
        ("[::1", ""),
        ("", ""),
    ],
)
def test_the_host_of_a_header(header: str, host: str) -> None:
    assert host_of(header) == host


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_these_mean_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1"])
def test_these_may_mean_any(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("path", ["/health", "/model_info", "/generate"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:30000", "127.0.0.1.evil.example", "[::1", ""])
async def test_a_page_of_another_name_is_not_heard(serve: Any, path: str, host: str) -> None:
    client = await serve()
    reply = await client("POST" if path == "/generate" else "GET", path, {"text": "a"}, headers={"Host": host})
    assert reply.status == 421
    assert "allowed_hosts" in reply.json["error"]["message"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1", "[::1]:30000", "Prover.lan:80"])
async def test_its_own_names_and_those_that_were_given_are_heard(serve: Any, host: str) -> None:
    client = await serve(allowed_hosts=("prover.LAN",))
    assert (await client("POST", "/generate", {"text": "a"}, headers={"Host": host})).status == 200


@pytest.mark.parametrize("settings", [{"api_key": "hunter2"}, {"host": "0.0.0.0"}])  # noqa: S104
async def test_with_a_key_or_for_other_machines_any_name_will_do(serve: Any, settings: dict[str, str]) -> None:
    client = await serve(**settings)
    headers = {"Host": "prover.lan", "Authorization": "Bearer hunter2"}
    assert (await client("POST", "/generate", {"text": "a"}, headers=headers)).status == 200
