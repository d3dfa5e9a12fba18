"""Whom a request was meant for: a web page whose name was made to mean this machine is not heard."""

from __future__ import annotations

from typing import Any

import pytest

from leanebm.serve._hosts import host_of, is_loopback


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
