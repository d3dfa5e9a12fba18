"""Changes of what is served: endpoints for adapters and weights, and the lock that keeps requests apart from them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import final

from aiohttp import web

from leanebm.errors import PolicyBadRequest
from leanebm.serve._admission import Aborts
from leanebm.serve._requests import read_object, text_field
from leanebm.serve.backends import Backend


@final
class WeightLock:
    """Any number of requests at once, or one change. A change that waits keeps later requests waiting."""

    def __init__(self) -> None:
        self._moved = asyncio.Event()
        self.changes = 0
        """Changes under way, and those that wait."""

        self._requests = 0
        self._is_changing = False
        self.waiting = 0
        """Requests that wait for a change to be over."""

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """Keep the weights as they are."""
        self.waiting += 1
        try:
            await self._until(lambda: not self.changes)
        finally:
            self.waiting -= 1
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1
            self._wake_all()

    @asynccontextmanager
    async def change(self) -> AsyncIterator[None]:
        """Wait for the requests under way, then be alone."""
        self.changes += 1
        try:
            await self._until(lambda: not self._requests and not self._is_changing)
            self._is_changing = True
            try:
                yield
            finally:
                self._is_changing = False
        finally:
            self.changes -= 1
            self._wake_all()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._moved.wait()

    def _wake_all(self) -> None:
        """Let all waiters look again. This does not suspend, so no cancellation can leave one asleep."""
        self._moved.set()
        self._moved.clear()


_log = logging.getLogger(__name__)


@final
class WeightHandlers:
    """Loads and unloads adapters, and takes new weights. The shapes of the answers are SGLang's."""

    def __init__(self, backend: Backend, weights: WeightLock, aborts: Aborts) -> None:
        self._backend = backend
        self._weights = weights
        self._aborts = aborts

    def routes(self) -> Sequence[web.RouteDef]:
        """The endpoints."""
        return (
            web.post("/load_lora_adapter", self._load_adapter),
            web.post("/unload_lora_adapter", self._unload_adapter),
            web.post("/update_weights_from_disk", self._update_weights),
        )

    async def _load_adapter(self, request: web.Request) -> web.Response:
        try:
            body = await read_object(request)
            name, path = text_field(body, "lora_name"), text_field(body, "lora_path")
            await self._backend.load_adapter(name, path)
        except PolicyBadRequest as refusal:
            return self._adapters(str(refusal))
        _log.info("loaded adapter %s from %s", name, path)
        return self._adapters()

    async def _unload_adapter(self, request: web.Request) -> web.Response:
        try:
            name = text_field(await read_object(request), "lora_name")
            async with self._weights.change():
                await self._backend.unload_adapter(name)
        except PolicyBadRequest as refusal:
            return self._adapters(str(refusal))
        _log.info("unloaded adapter %s", name)
        return self._adapters()

    def _adapters(self, error_message: str = "") -> web.Response:
        loaded = dict(self._backend.adapters)
        body = {"success": not error_message, "error_message": error_message, "loaded_adapters": loaded}
        return web.json_response(body, status=400 if error_message else 200)

    async def _update_weights(self, request: web.Request) -> web.Response:
        try:
            body = await read_object(request)
            path = text_field(body, "model_path")
            version = None if body.get("weight_version") is None else text_field(body, "weight_version")
            if body.get("abort_all_requests") is True:
                self._aborts.abort(None)
            async with self._weights.change():
                await self._backend.update_weights(path, weight_version=version)
                paused = self._weights.waiting
        except PolicyBadRequest as refusal:
            return _outcome(str(refusal), paused=0, status=400)
        message = f"serving weights {self._backend.description.weight_version} from {path}"
        _log.info("%s", message)
        return _outcome(message, paused=paused, status=200)


def _outcome(message: str, *, paused: int, status: int) -> web.Response:
    body = {"success": status == 200, "message": message, "num_paused_requests": paused}
    return web.json_response(body, status=status)
