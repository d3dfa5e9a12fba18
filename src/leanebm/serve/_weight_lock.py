"""Requests run together; a change of weights runs alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import final

__all__ = ["WeightLock"]


@final
class WeightLock:
    """Any number of requests at once, or one change. A change that waits keeps later requests waiting."""

    def __init__(self) -> None:
        self._moved = asyncio.Event()
        self.changes = 0
        """Changes that run or wait to."""

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
        """Let all that wait look again; it does not suspend, so no cancellation can leave them asleep."""
        self._moved.set()
        self._moved.clear()
