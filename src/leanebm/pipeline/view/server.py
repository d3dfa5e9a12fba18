"""The page of runs that go on: it asks what has been found since."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Self, final

from aiohttp import hdrs, web

from leanebm._shown import named_repr, printable
from leanebm._viewer import as_json, viewer_page
from leanebm.errors import LeanEbmError
from leanebm.pipeline.view.run_view import RunView

_HOST: Final = "127.0.0.1"

_SHUTDOWN_S: Final = 2.0


@final
class ViewServer:
    """Shows runs on this machine, to browsers on this machine; an ``async with``.

    Args:
        runs: one or two: folders, trajectories or shards. A folder need not hold a shard yet.
        theorem: leave out all others.
        port: where to listen; 0 takes a free one.
    """

    def __init__(self, runs: Sequence[str | os.PathLike[str]], *, theorem: str | None = None, port: int = 0) -> None:
        self._views = [RunView(Path(run), goes_on=True) for run in runs]
        self._theorem = theorem
        self._port = port
        self._reading = asyncio.Lock()
        self._resources = AsyncExitStack()
        self._url = ""

    __repr__ = named_repr("_url")

    @property
    def url(self) -> str:
        """Where the page is; empty outside the ``async with``."""
        return self._url

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        application = web.Application(middlewares=[self._answer])
        application.router.add_get("/", self._page)
        application.router.add_get("/index", self._index)
        application.router.add_get("/tree", self._tree)
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        self._resources.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, _HOST, self._port).start()
        except BaseException:
            await self._resources.aclose()
            raise
        self._url = f"http://{_HOST}:{runner.addresses[0][1]}/"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop listening."""
        self._url = ""
        await self._resources.aclose()

    async def serve_forever(self) -> None:
        """Wait until cancelled; pages are served meanwhile."""
        await asyncio.Event().wait()

    @web.middleware
    async def _answer(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        # A page of another origin whose name was turned to this address must not read what is here.
        if request.headers.get(hdrs.HOST, "").rsplit(":", 1)[0] not in (_HOST, "localhost"):
            raise web.HTTPMisdirectedRequest(text="this server answers to 127.0.0.1 and localhost only")
        try:
            answer = await handler(request)
        except LeanEbmError as error:
            return web.Response(status=500, text=printable(str(error)))
        answer.headers.update({"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})
        return answer

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(text=viewer_page([], [], mode="served"), content_type="text/html")

    async def _index(self, _: web.Request) -> web.StreamResponse:
        def read() -> str:
            return as_json([view.as_json(at, theorem=self._theorem) for at, view in enumerate(self._views)])

        return await self._json(read)

    async def _tree(self, request: web.Request) -> web.StreamResponse:
        name, number = request.query.get("theorem", ""), request.query.get("run", "")
        if number not in map(str, range(len(self._views))):
            raise web.HTTPNotFound(text="there is no such run")
        return await self._json(lambda: self._views[int(number)].tree_json(name))

    async def _json(self, read: Callable[[], str]) -> web.StreamResponse:
        async with self._reading:  # what was read is remembered, and threads must not do that at the same time
            text = await asyncio.to_thread(read)
        answer = web.Response(text=text, content_type="application/json")
        answer.enable_compression()
        return answer
