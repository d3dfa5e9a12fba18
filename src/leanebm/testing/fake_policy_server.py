"""A real HTTP server on loopback that misbehaves as it is told, to test a policy client against."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Self, final

import attrs
from aiohttp import web

__all__ = ["Answer", "FakePolicyServer", "HangUp", "Received", "Stall", "Step", "Truncate", "sample"]


@attrs.frozen(kw_only=True)
class Answer:
    """A complete HTTP answer."""

    status: int = 200
    json: object = None
    """Sent as JSON, unless ``body`` is given."""

    body: bytes | None = None
    """Sent as it is."""

    headers: Mapping[str, str] = attrs.field(factory=dict)
    wait_for: asyncio.Event | None = None
    """Answer only once this is set."""

    @property
    def content(self) -> bytes:
        """The bytes of the answer's body."""
        if self.body is not None:
            return self.body
        return b"" if self.json is None else json.dumps(self.json).encode()


@attrs.frozen
class HangUp:
    """Close the connection before the status line."""


@attrs.frozen
class Stall:
    """Never answer; wait until the client gives up."""


@attrs.frozen
class Truncate:
    """Promise more bytes than are sent, then close the connection."""

    body: bytes = b'[{"text": "si'


Step = Answer | HangUp | Stall | Truncate
"""What happens to one request."""


@attrs.frozen(kw_only=True)
class Received:
    """A request as it came in."""

    method: str
    path: str
    body: Any
    """Parsed JSON, ``None`` where there was none."""

    headers: Mapping[str, str]
    connection: int
    """Equal for requests that came over the same connection."""


@final
class FakePolicyServer:
    """Answers each path from a script, and with 404 where no script is left.

    ::

        async with FakePolicyServer() as server:
            server.script("/generate", Answer(status=503), Answer(json=sample("simp", -0.1)))
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        """Every request, in order of arrival."""

        self.arrived = asyncio.Event()
        """Set with every request; clear it to wait for the next."""

        self.client_left = asyncio.Event()
        """Set when a client closes its connection while we stall."""

        self.url = ""
        self._scripts: dict[str, deque[Step]] = defaultdict(deque)
        self._forever: dict[str, Step] = {}
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Bind a free port on loopback."""
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._resources.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop listening."""
        await self._resources.aclose()

    def script(self, path: str, *steps: Step, then: Step | None = None) -> None:
        """Say what happens to the next requests for ``path``, and to all after them."""
        self._scripts[path].extend(steps)
        if then is not None:
            self._forever[path] = then

    def bodies(self, path: str) -> list[Any]:
        """The bodies of all requests for ``path`` so far."""
        return [request.body for request in self.received if request.path == path]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.received.append(
            Received(
                method=request.method,
                path=request.path,
                body=json.loads(raw) if raw else None,
                headers=dict(request.headers),
                connection=id(request.protocol),
            )
        )
        self.arrived.set()
        script = self._scripts[request.path]
        step = script.popleft() if script else self._forever.get(request.path, Answer(status=404, json={}))
        return await self._perform(step, request)

    async def _perform(self, step: Step, request: web.Request) -> web.StreamResponse:
        match step:
            case Answer():
                if step.wait_for is not None:
                    await step.wait_for.wait()
                return web.Response(status=step.status, body=step.content, headers=step.headers)
            case Stall():
                return await self._stall()
            case Truncate():
                return await _truncate(step, request)
            case HangUp():
                _abort(request)
                return web.Response()

    async def _stall(self) -> web.StreamResponse:
        try:
            await asyncio.Event().wait()
        finally:
            self.client_left.set()
        raise AssertionError("an event that nobody sets was set")


async def _truncate(step: Truncate, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(len(step.body) + 1000)})
    await response.prepare(request)
    await response.write(step.body)
    _abort(request)
    return response


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


def sample(
    text: str,
    *log_probs: float | None,
    ids: Sequence[int] | None = None,
    finish: str = "stop",
    weight_version: str | None = None,
    token_texts: Sequence[str | None] | None = None,
) -> dict[str, Any]:
    """One object of a ``/generate`` answer, as a stock server words it.

    Args:
        text: the completion.
        log_probs: one a token.
        ids: the tokens; by default 1, 2, 3 ….
        finish: ``stop``, ``length`` or ``abort``.
        weight_version: left out if ``None``.
        token_texts: one a token; ``None`` for each by default.
    """
    numbered = ids if ids is not None else range(1, len(log_probs) + 1)
    texts = token_texts if token_texts is not None else [None] * len(log_probs)
    meta: dict[str, Any] = {
        "id": "x",
        "finish_reason": {"type": finish},
        "prompt_tokens": 3,
        "completion_tokens": len(log_probs),
        "output_token_logprobs": [list(entry) for entry in zip(log_probs, numbered, texts, strict=True)],
    }
    return {"text": text, "meta_info": meta if weight_version is None else {**meta, "weight_version": weight_version}}
