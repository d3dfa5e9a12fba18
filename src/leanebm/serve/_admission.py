"""Who may run, who waits, and who is turned away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import final

__all__ = ["Admission", "QueueFull"]


class QueueFull(Exception):
    """As many requests wait as may wait."""


@final
class Admission:
    """Lets ``max_running`` requests in at once, in order of arrival, and ``max_queue`` more wait."""

    def __init__(self, *, max_running: int, max_queue: int) -> None:
        self._max_queue = max_queue
        self._slots = asyncio.Semaphore(max_running)
        self.running = 0
        self.waiting = 0

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        """Hold one slot.

        Raises:
            QueueFull: without waiting, when the queue is full.
        """
        if self._slots.locked() and self.waiting >= self._max_queue:
            raise QueueFull
        self.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._slots.release()
