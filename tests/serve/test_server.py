from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import pytest

from leanebm.errors import LeanEbmError
from leanebm.serve import PolicyServer, ServeConfig


async def test_the_port_is_real_and_the_backend_lives_as_long_as_the_server(backend: Any) -> None:
    async with PolicyServer(ServeConfig(), backend) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert not server.url.endswith(":0")
        assert backend.is_entered
    assert not backend.is_entered


async def test_outside_its_context_it_has_no_address(backend: Any) -> None:
    server = PolicyServer(ServeConfig(), backend)
    with pytest.raises(LeanEbmError, match="async with"):
        _ = server.url


async def test_it_cannot_be_entered_twice_at_once_but_again_later(backend: Any) -> None:
    server = PolicyServer(ServeConfig(), backend)
    async with server:
        with pytest.raises(LeanEbmError, match="already running"):
            await server.__aenter__()
    async with server:
        assert server.url


async def test_a_taken_port_lets_the_backend_go_again(backend: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address"):
            await PolicyServer(ServeConfig(port=taken.getsockname()[1]), backend).__aenter__()
    assert not backend.is_entered


async def test_serving_for_ever_ends_with_cancellation(backend: Any) -> None:
    async with PolicyServer(ServeConfig(), backend) as server:
        serving = asyncio.create_task(server.serve_forever())
        await asyncio.sleep(0)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving


@pytest.mark.parametrize(("settings", "warns"), [({}, False), ({"host": "0.0.0.0"}, True)])  # noqa: S104
async def test_an_open_address_without_a_key_is_warned_about(
    backend: Any, caplog: pytest.LogCaptureFixture, settings: dict[str, Any], *, warns: bool
) -> None:
    async with PolicyServer(ServeConfig(**settings), backend):
        assert any(record.levelno == logging.WARNING for record in caplog.records) == warns
