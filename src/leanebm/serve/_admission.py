"""Which requests are served: from which hosts, how many at once, and which of them are aborted."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, cast, final
from urllib.parse import urlsplit

from aiohttp import web

from leanebm.errors import PolicyBadRequest


class QueueFull(Exception):
    """As many sequences wait already as may."""


@final
class Admission:
    """Admits requests in order of arrival: ``max_running`` sequences at once, while ``max_queue`` more may wait.

    A request that is larger than a limit counts as exactly that large: it may wait in an empty queue,
    and run alone.
    """

    def __init__(self, *, max_running: int, max_queue: int) -> None:
        self._max_running = max_running
        self._max_queue = max_queue
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.running = 0
        self.waiting = 0

    @asynccontextmanager
    async def admit(self, sequences: int = 1) -> AsyncIterator[None]:
        """Hold that many places.

        Raises:
            QueueFull: without waiting, when the queue is full.
        """
        places = min(sequences, self._max_running)
        if self._queue or self.running + places > self._max_running:
            await self._wait(places)
        else:
            self.running += places
        try:
            yield
        finally:
            self._release(places)

    async def _wait(self, places: int) -> None:
        counted = min(places, max(1, self._max_queue))
        if self.waiting + counted > self._max_queue:
            raise QueueFull
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((places, turn))
        self.waiting += counted
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was admitted at the very moment when it gave up
                self._release(places)
            raise
        finally:
            self.waiting -= counted
            self._let_in()  # the one that gave up may have held up those behind it

    def _release(self, places: int) -> None:
        self.running -= places
        self._let_in()

    def _let_in(self) -> None:
        while self._queue:
            places, turn = self._queue[0]
            if turn.cancelled():
                self._queue.popleft()
            elif self.running + places <= self._max_running:
                self._queue.popleft()
                self.running += places
                turn.set_result(None)
            else:
                return


@final
class Aborts:
    """The open requests, each with the event that aborts it."""

    def __init__(self) -> None:
        self._named: dict[str, asyncio.Event] = {}
        self._open: set[asyncio.Event] = set()

    @contextmanager
    def listening(self, rid: str) -> Iterator[asyncio.Event]:
        """An event that is set when the request is to be aborted.

        Args:
            rid: the client's name for it; empty for a request that only ``abort_all`` reaches.

        Raises:
            PolicyBadRequest: another open request has this name.
        """
        if rid in self._named:
            raise PolicyBadRequest(f"a request with rid {rid!r} is already running")
        aborted = asyncio.Event()
        self._open.add(aborted)
        if rid:
            self._named[rid] = aborted
        try:
            yield aborted
        finally:
            self._open.discard(aborted)
            self._named.pop(rid, None)

    def abort(self, rid: str | None) -> None:
        """Abort one request, if there is one of this name; ``None`` aborts all."""
        for aborted in list(self._open) if rid is None else [self._named.get(rid)]:
            if aborted is not None:
                aborted.set()


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
        """Decide now, since aiohttp counts the connection from now on."""
        connection = cast("asyncio.Transport", transport)
        if len(self._server.connections) < self._max_connections:
            protocol = self._server()
            connection.set_protocol(protocol)
            protocol.connection_made(connection)
        else:
            connection.write(_REFUSAL)
            connection.close()


def is_loopback(host: str) -> bool:
    """Whether ``host``, a name or an address without brackets, can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str:
    """The host in a ``Host`` header: in lower case, without port or brackets; empty where there is none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:  # a bracket without its other half
        return ""
