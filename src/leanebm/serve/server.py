"""The policy server's life cycle; what it answers is in ``_handlers.py``."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Final, Self, final

from aiohttp import web

from leanebm._shown import named_repr
from leanebm.errors import LeanEbmError
from leanebm.serve._admission import Doorkeeper, is_loopback
from leanebm.serve._handlers import Handlers
from leanebm.serve.backends import Backend
from leanebm.serve.config import ServeConfig

_log = logging.getLogger(__name__)

_LINGER_S: Final = 10.0
"""How long the rest of a body is read and thrown away, so that its sender comes to see why it was refused."""

_BACKLOG: Final = 128
"""Connections that the system keeps until we accept them."""


@final
class PolicyServer:
    """Serves a backend over HTTP, with the wire contract of SGLang's native API.

    ::

        async with PolicyServer(ServeConfig(), TemplateBackend()) as server:
            print(server.url)
            await server.serve_forever()

    The backend is entered before the port is bound, so a server that answers is a server that
    works. A client that hangs up cancels its request.
    """

    def __init__(self, config: ServeConfig, backend: Backend) -> None:
        self._config = config
        self._backend = backend
        self._resources: AsyncExitStack | None = None
        self._url = ""

    __repr__ = named_repr("_config", "_backend")

    @property
    def url(self) -> str:
        """Where the server listens, with its real port.

        Raises:
            LeanEbmError: it does not listen: enter it with ``async with`` first.
        """
        if not self._url:
            raise LeanEbmError("the policy server has no address outside its `async with`")
        return self._url

    async def __aenter__(self) -> Self:
        """Load the backend, then bind the port.

        Raises:
            OSError: the address is taken or is not ours.
            LeanEbmError: the server is already running.
        """
        if self._resources is not None:
            raise LeanEbmError("the policy server is already running")
        async with AsyncExitStack() as resources:
            await resources.enter_async_context(self._backend)
            runner = web.AppRunner(
                Handlers(self._config, self._backend).application(),
                handler_cancellation=True,
                access_log=None,
                keepalive_timeout=self._config.receive_s,
                lingering_time=min(_LINGER_S, self._config.receive_s),
                shutdown_timeout=self._config.shutdown_s,
            )
            await runner.setup()
            resources.push_async_callback(runner.cleanup)
            listener = await self._listen(runner)
            resources.callback(listener.close)
            self._url = _url_of(listener.sockets[0].getsockname())
            self._resources = resources.pop_all()
        if self._config.api_key is None and not is_loopback(self._config.host):
            _log.warning("%s can be reached from other machines and asks for no API key", self._url)
        _log.info("serving %s at %s", self._backend.description.model_path, self._url)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop listening, give open requests ``shutdown_s`` to finish, then let the backend go."""
        resources, self._resources, self._url = self._resources, None, ""
        if resources is not None:
            await resources.aclose()

    async def serve_forever(self) -> None:
        """Wait until cancelled; the server answers meanwhile."""
        await asyncio.Event().wait()

    async def _listen(self, runner: web.AppRunner) -> asyncio.Server:
        server = runner.server
        assert server is not None  # noqa: S101 - it is made by setup()
        config = self._config
        return await asyncio.get_running_loop().create_server(
            lambda: Doorkeeper(server, config.max_connections), config.host, config.port, backlog=_BACKLOG
        )


def _url_of(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    host, port = address[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
