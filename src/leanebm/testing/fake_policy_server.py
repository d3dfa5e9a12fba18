"""A real HTTP server on loopback that misbehaves as its script says, to test a policy client against."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import MappingProxyType
from typing import Any, Self, assert_never, final

import attrs
from aiohttp import web

from leanebm._shown import fitting_repr, named_repr
from leanebm.testing.policy_steps import (
    Answer,
    Compute,
    Drip,
    HangUp,
    Raw,
    Stall,
    Step,
    Truncate,
    embedding_objects,
    hashed_embedding,
)


@attrs.frozen(kw_only=True)
class ReceivedRequest:
    """A request as it came in."""

    method: str
    path: str
    body: Any
    """Parsed JSON, ``None`` where there was none."""

    headers: Mapping[str, str]
    connection: int
    """Serial number, from 0: equal for requests that came over the same connection."""

    __repr__ = fitting_repr


@final
class FakePolicyServer:
    """Answers each path from a script, and with 404 where no script is left.

    ::

        async with FakePolicyServer() as server:
            server.script("/generate", Answer(status=503), Answer(json=sample_object("simp", -0.1)))
    """

    def __init__(self, *, port: int = 0) -> None:
        """Nothing listens yet.

        Args:
            port: on loopback; 0 picks a free one. Give a port again to restart a server that died.
        """
        self.received: list[ReceivedRequest] = []
        """Every request, in order of arrival."""

        self.arrived = asyncio.Event()
        """Set with every request; clear it to wait for the next."""

        self.client_left = asyncio.Event()
        """Set when a client closes its connection while we stall, drip or write."""

        self.url = ""
        self.port = port
        self._scripts: dict[str, deque[Step]] = defaultdict(deque)
        self._forever: dict[str, Step] = {}
        self._serials: dict[object, int] = {}
        self._runner: web.AppRunner | None = None
        self._resources = AsyncExitStack()

    __repr__ = named_repr("url")

    async def __aenter__(self) -> Self:
        """Bind the port."""
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._resources.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self.port = runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop listening, and close every connection."""
        self._runner = None
        await self._resources.aclose()

    @property
    def num_connections(self) -> int:
        """Connections that are open now."""
        server = self._runner.server if self._runner is not None else None
        return len(server.connections) if server is not None else 0

    def script(self, path: str, *steps: Step, then: Step | None = None) -> None:
        """Say what happens to the next requests for ``path``, and to all after them."""
        self._scripts[path].extend(steps)
        if then is not None:
            self._forever[path] = then

    def offer_encoder(
        self,
        *,
        weight_version: str = "w1",
        dim: int = 8,
        adapters: Mapping[str, str] = MappingProxyType({}),
        **encode: object,
    ) -> None:
        """Say in ``/model_info`` that it encodes, and encode any text, as a hash of it.

        Args:
            weight_version: of its weights.
            dim: width of a vector.
            adapters: the version of each that it has, by name.
            encode: more of what ``/model_info`` says about it, such as ``pooling="last"``.
        """

        def answer(body: Any) -> Answer:
            adapter = adapters.get(body.get("lora_path"))
            made_by = weight_version if adapter is None else f"{weight_version}+{adapter}"
            vectors = [hashed_embedding(f"{made_by} {text}", dim) for text in body["text"]]
            return Answer(json=embedding_objects(*vectors, weight_version=weight_version, adapter_version=adapter))

        said = {"pooling": "mean", "layer": "last", "normalized": False, "dim": dim, **encode}
        ours = {"contract": 1, "encode": said, "adapters": dict(adapters)}
        info = {"is_generation": True, "weight_version": weight_version, "leanebm": ours}
        self.script("/health", then=Answer())
        self.script("/model_info", then=Answer(json=info))
        self.script("/encode", then=Compute(answer))

    def bodies(self, path: str) -> list[Any]:
        """The bodies of all requests for ``path`` so far."""
        return [request.body for request in self.received if request.path == path]

    async def wait_for_requests(self, path: str, count: int) -> None:
        """Wait until ``count`` requests for ``path`` have come in."""
        while len(self.bodies(path)) < count:
            self.arrived.clear()
            await self.arrived.wait()

    async def wait_for_disconnects(self) -> None:
        """Wait until every client has closed its connections."""
        while self.num_connections:  # noqa: ASYNC110 - the web server has no event for it
            await asyncio.sleep(0.001)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw) if raw else None
        self.received.append(
            ReceivedRequest(
                method=request.method,
                path=request.path,
                body=body,
                headers=dict(request.headers),
                # Numbered here: its port would not do, as the system may give it out again.
                connection=self._serials.setdefault(request.protocol, len(self._serials)),
            )
        )
        self.arrived.set()
        script = self._scripts[request.path]
        step = script.popleft() if script else self._forever.get(request.path, Answer(status=404, json={}))
        return await self._perform(step, request, body)

    async def _perform(self, step: Step, request: web.Request, body: Any) -> web.StreamResponse:
        match step:
            case Answer():
                if step.wait_for is not None:
                    await step.wait_for.wait()
                content_type = "application/json" if step.body is None else "application/octet-stream"
                headers = {"Content-Type": content_type, **step.headers}
                return web.Response(status=step.status, body=step.content, headers=headers)
            case Compute():
                return await self._perform(step.answer(body), request, body)
            case HangUp():
                _hang_up(request)
                return web.Response()
            case Truncate():
                return await _truncate(step, request)
            case Stall() | Drip() | Raw():
                try:
                    return await _outlast(step, request)
                finally:
                    self.client_left.set()
            case _:
                assert_never(step)


async def _outlast(step: Stall | Drip | Raw, request: web.Request) -> web.StreamResponse:
    """Go on until the client leaves, which cancels us, or makes a write fail."""
    match step:
        case Stall():
            await asyncio.Event().wait()
        case Drip():
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b" ")
                await asyncio.sleep(step.gap_s)
        case Raw():
            await _write_raw(step, request)
    _hang_up(request)
    return web.Response()


async def _write_raw(step: Raw, request: web.Request) -> None:
    transport = request.transport
    if transport is None:
        return
    transport.write(step.start)
    while step.again and not transport.is_closing():
        if transport.get_write_buffer_size() < 2**16:
            transport.write(step.again)
        await asyncio.sleep(0)


async def _truncate(step: Truncate, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(len(step.body) + 1000)})
    await response.prepare(request)
    await response.write(step.body)
    _hang_up(request)
    return response


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
