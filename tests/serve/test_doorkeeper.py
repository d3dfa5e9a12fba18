"""Clients that hold connections and send nothing, or half of something, or do not take their answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

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


async def test_hundreds_that_never_finish_are_cut_off_and_leave_nothing_behind(serve: Any, connect: Connect) -> None:
    client = await serve(max_connections=300, receive_s=0.05)
    held = [await connect(client.url, said) for said in (NOTHING, HALF_A_HEAD, HALF_A_BODY) for _ in range(100)]
    ends = [await reader.read() for reader, _ in held]
    assert set(ends[:200]) <= {b""}
    assert all(end.startswith(b"HTTP/1.1 408 ") for end in ends[200:])
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
