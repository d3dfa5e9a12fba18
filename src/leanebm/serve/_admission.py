"""Who may run, who waits, and who is turned away."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import final

__all__ = ["Admission", "QueueFull"]


class QueueFull(Exception):
    """As many sequences wait as may wait."""


@final
class Admission:
    """Lets requests with ``max_running`` sequences in at once, in order of arrival, and ``max_queue`` more wait.

    A request that is larger than that counts as exactly that large: it may wait in an empty queue, and
    run alone.
    """

    def __init__(self, *, max_running: int, max_queue: int) -> None:
        self._max_running = max_running
        self._max_queue = max_queue
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.running = 0
        self.waiting = 0

    @asynccontextmanager
    async def admit(self, sequences: int = 1) -> AsyncIterator[None]:
        """Hold so many places.

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
            if turn.done() and not turn.cancelled():  # it was let in at the very moment it gave up
                self._release(places)
            raise
        finally:
            self.waiting -= counted
            self._let_in()  # one that gave up may have stood in the way

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
