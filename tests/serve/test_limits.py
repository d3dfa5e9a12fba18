"""Clients that send too much, too slowly, or something else: refused in our own words, and nothing is held up."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from leanebm.errors import PolicyError
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.serve import PolicyServer, ServeConfig, TemplateBackend

JSON = {"Content-Type": "application/json"}


async def _raw(url: str, sent: bytes) -> bytes:
    """All that the server says to a client that sends this much and then waits."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(sent)
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[" * 100_000, "recursion"),
        (b'{"text":' * 50_000, "recursion"),
        (b'{"text": "a", "stream": ' + b"[" * 900 + b"]" * 900 + b"}", "JSON|stream"),
        (b'{"text": "a", "sampling_params": {"n": ' + b"9" * 5000 + b"}}", "digits"),
        (b'{"text": "a", "sampling_params": {"n": ' + b"9" * 400 + b"}}", "n"),
        (b'{"text": "a", "sampling_params": {"temperature": ' + b"9" * 400 + b"}}", "finite.*temperature"),
        (b'{"text": "a", "sampling_params": {"temperature": 1e999}}', "finite.*temperature"),
        (b'{"text": "a", "sampling_params": {"temperature": NaN}}', "NaN"),
        (b'{"text": "a", "sampling_params": {"temperature": Infinity}}', "Infinity"),
        (b'{"text": "\xff"}', "utf-8"),
        (b'{"text": ["a", "b", "c"]}', "at most 2"),
        (b'{"text": ["a", "b"], "sampling_params": {"n": 9}}', "the 16 completions"),
    ],
)
async def test_what_is_no_request_is_refused_in_few_words(serve: Any, body: bytes, said: str) -> None:
    client = await serve(max_prompts=2, max_completions=16)
    reply = await client("POST", "/generate", data=body, headers=JSON)
    assert reply.status == 400
    message = reply.json["error"]["message"]
    assert len(message) < 3000
    assert re.search(said, message), message


async def test_an_abort_of_anything_at_all_is_harmless(serve: Any) -> None:
    client = await serve()
    nested = b'{"rid": ' + b"[" * 900 + b"]" * 900 + b"}"
    assert (await client("POST", "/abort_request", data=nested, headers=JSON)).status in (200, 400)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream"])
@pytest.mark.parametrize(
    "path",
    ["/generate", "/encode", "/abort_request", "/flush_cache", "/load_lora_adapter", "/update_weights_from_disk"],
)
async def test_a_browser_cannot_be_made_to_send_requests(serve: Any, path: str, kind: str) -> None:
    client = await serve()
    reply = await client("POST", path, data=b'{"text": "a"}', headers={"Content-Type": kind})
    assert reply.status == 415
    assert "application/json" in reply.json["error"]["message"]


@pytest.mark.parametrize("path", ["/flush_cache", "/abort_request"])
async def test_nor_by_a_form_without_fields(serve: Any, path: str) -> None:
    client = await serve()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await client("POST", path, headers=form)).status == 415


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nor_by_a_picture_or_a_script_of_another_site(serve: Any, backend: Any, method: str) -> None:
    client = await serve()
    for site in ("cross-site", "same-site"):
        reply = await client(method, "/flush_cache", headers={"Sec-Fetch-Site": site})
        assert reply.status == 403
        assert reply.json["error"]["message"] == "Pages of other sites are not served"
    assert backend.flushes == 0
    for site in ("none", "same-origin"):  # what the user typed, and a page of this server
        assert (await client(method, "/flush_cache", headers={"Sec-Fetch-Site": site})).status == 200


LONG_STATE = "".join(f"h{i} : x{i} = {i}\n" for i in range(3000)) + "⊢ True"


@pytest.mark.parametrize(
    ("path", "more"), [("/generate", {"sampling_params": {"n": 2}}), ("/encode", {})], ids=["generate", "encode"]
)
async def test_the_symbolic_server_is_well_while_it_reads_long_states(
    serve: Any, path: str, more: dict[str, Any]
) -> None:
    client = await serve(TemplateBackend())
    ended: list[str] = []

    async def ask(what: str, *request: Any) -> None:
        assert (await client(*request)).status == 200
        ended.append(what)

    asking = asyncio.create_task(ask("long states", "POST", path, {"text": [LONG_STATE] * 5, **more}))
    while not asking.done() and not (await client("GET", "/server_info")).json["internal_states"][0]["running"]:
        pass
    await ask("health", "GET", "/health")
    await asking
    assert ended == ["health", "long states"]


@pytest.mark.parametrize("path", ["/generate", "/encode"])
async def test_the_symbolic_server_refuses_a_state_that_no_rule_would_read(serve: Any, path: str) -> None:
    client = await serve(TemplateBackend())
    state = "".join(f"h{i} : x{i} = {i}\n" for i in range(200_000)) + "⊢ True"
    sent = io.BytesIO(json.dumps({"text": state}).encode())
    reply = await client("POST", path, data=sent, headers=JSON)
    assert reply.status == 400
    assert "longer than the model's context length" in reply.json["error"]["message"]


@pytest.mark.parametrize(
    ("sent", "status"), [(gzip.compress(b" " * 10**6), 413), (b"no gzip", 400)], ids=["a bomb", "no gzip"]
)
async def test_a_packed_body_counts_as_large_as_it_unpacks(serve: Any, sent: bytes, status: int) -> None:
    client = await serve(max_body_bytes=10_000)
    headers = {**JSON, "Content-Encoding": "gzip"}
    reply = await client("POST", "/generate", data=sent, headers=headers)
    assert reply.status == status
    assert reply.json["error"]["message"]


async def test_a_body_that_never_ends_is_answered_408(serve: Any) -> None:
    client = await serve(receive_s=0.05)
    answer = await _raw(client.url, b'POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"te')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"error": {"message": "Request Timeout"}}


async def test_a_head_that_never_ends_is_cut_off(serve: Any) -> None:
    client = await serve(receive_s=0.05)
    assert await _raw(client.url, b"POST /generate HTTP/1.1\r\nHost: localhost\r\nX-Slow: ") == b""


async def test_without_the_key_no_body_is_waited_for(serve: Any) -> None:
    client = await serve(api_key="hunter2", receive_s=0.05)
    answer = await _raw(
        client.url, b"POST /generate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 99\r\n\r\n{"
    )
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_keys_are_never_written_down(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    config = ServeConfig(api_key="hunter2-server")
    async with PolicyServer(config, TemplateBackend()) as server:
        for key in ("hunter2-client", "hunter2-server"):
            settings = PolicyClientConfig(url=server.url, api_key=key, max_attempts=1)
            said.append(repr(settings))
            try:
                async with PolicyClient(settings) as client:
                    said.append(repr(await client.encode(["⊢ True"])))
                    await client.encode([""])
            except PolicyError as error:
                said += [str(error), repr(error), repr(error.__cause__), repr(error.__context__)]
    said += [repr(config), repr(server), caplog.text]
    assert "hunter2" not in "\n".join(said)
