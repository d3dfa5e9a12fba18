"""Who may hold a connection."""

from __future__ import annotations

import asyncio
import json
from typing import Final, cast, final

from aiohttp import web

__all__ = ["Doorkeeper"]

_BODY: Final = json.dumps({"error": {"message": "Too many connections are open; try again later."}})
_REFUSAL: Final = (
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
    f"Content-Length: {len(_BODY)}\r\n\r\n{_BODY}"
).encode()


@final
class Doorkeeper(asyncio.Protocol):
    """Meets a new connection: hands it to aiohttp while few enough are open, else answers 503 and closes it.

    aiohttp itself takes as many as there are file descriptors, and whoever holds the last of them keeps the
    backend from opening its own files, too.
    """

    def __init__(self, server: web.Server, max_connections: int) -> None:
        self._server = server
        self._max_connections = max_connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Decide at the moment from which on aiohttp counts the connection."""
        connection = cast("asyncio.Transport", transport)
        if len(self._server.connections) < self._max_connections:
            protocol = self._server()
            connection.set_protocol(protocol)
            protocol.connection_made(connection)
        else:
            connection.write(_REFUSAL)
            connection.close()
