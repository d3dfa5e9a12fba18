"""Which requests are open, and how to end them early."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from leanebm.errors import PolicyBadRequest

__all__ = ["Aborts"]


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
