from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Self

import aiohttp
import attrs
import pytest

from leanebm.errors import PolicyBadRequest
from leanebm.serve import (
    Backend,
    BackendDescription,
    Completion,
    Embedding,
    EncodeDescription,
    PolicyServer,
    Prompt,
    SamplingParams,
    ServeConfig,
    Token,
)


class EchoBackend(Backend):
    """Completes a prompt with itself; waits while its gate is shut; embeds a text as its length."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.is_entered = False
        self.is_healthy = True
        self.params: list[SamplingParams] = []
        self.flushes = 0

    @property
    def description(self) -> BackendDescription:
        encode = EncodeDescription(
            pooling="mean", layer="last", normalized=False, include_bos=True, dim=1, dtype="float32", max_batch=4
        )
        return BackendDescription(model_path="echo", tokenizer_path="echo", weight_version="w1", encode=encode)

    async def __aenter__(self) -> Self:
        self.is_entered = True
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.is_entered = False

    async def generate(
        self, prompts: Sequence[Prompt], params: SamplingParams, *, adapter: str | None = None
    ) -> Sequence[Sequence[Completion]]:
        self._require_adapter(adapter)
        self.params.append(params)
        self.started.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return [[_echo(prompt, index) for index in range(params.n)] for prompt in prompts]

    async def encode(self, prompts: Sequence[Prompt], *, adapter: str | None = None) -> Sequence[Embedding]:
        self._require_adapter(adapter)
        if any(prompt == "" for prompt in prompts):
            raise PolicyBadRequest("an empty text has no tokens to pool")
        return [Embedding(vector=[float(len(prompt))], prompt_tokens=len(prompt)) for prompt in prompts]

    async def flush_cache(self) -> None:
        self.flushes += 1

    async def check_health(self) -> bool:
        return self.is_healthy


def _echo(prompt: Prompt, index: int) -> Completion:
    return Completion(
        text=f"{prompt}#{index}",
        tokens=(Token(-0.5, index, f"{prompt}#{index}"), Token(0.0, 99)),
        finish="stop",
        matched=99,
        prompt_tokens=len(prompt),
    )


@attrs.frozen
class Reply:
    status: int
    json: Any
    text: str


@attrs.frozen
class Client:
    """Talks plain HTTP to a server under test."""

    session: aiohttp.ClientSession
    url: str

    async def __call__(self, method: str, path: str, json: object = None, **more: Any) -> Reply:
        async with self.session.request(method, self.url + path, json=json, **more) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return Reply(response.status, await response.json() if is_json else None, text)

    async def generate(self, **body: Any) -> Reply:
        return await self("POST", "/generate", body)


Serve = Callable[..., Awaitable[Client]]


@pytest.fixture
def backend() -> EchoBackend:
    return EchoBackend()


@pytest.fixture
async def serve(backend: EchoBackend) -> AsyncIterator[Serve]:
    """Starts servers on free ports, by default over the echo backend, and stops them after the test."""
    started: list[Any] = []

    async def start(over: Backend = backend, **settings: Any) -> Client:
        server = await PolicyServer(ServeConfig(shutdown_s=0.1, **settings), over).__aenter__()
        session = aiohttp.ClientSession()
        started.extend((session.close, server.__aexit__))
        return Client(session, server.url)

    yield start
    for stop in started:
        await stop()
