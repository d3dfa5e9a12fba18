"""The policy server that a run starts for itself when it is given none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from leanebm.serve import PolicyServer, ServeConfig, TemplateBackend

__all__ = ["start_embedded_server"]


@asynccontextmanager
async def start_embedded_server(*, seed: int = 0, without: Sequence[str] = ()) -> AsyncIterator[str]:
    """Serve the template policy on a free loopback port; yields the server's URL.

    Tactics that use a word of ``without`` are not proposed.

    A real server over real HTTP, so that a run with the embedded policy and one with a language
    model go the same way.
    """
    async with PolicyServer(ServeConfig(), TemplateBackend(seed=seed, without=without)) as server:
        yield server.url
