"""How much a server is asked at once, and whether it is asked at all."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import final

from leanebm.errors import PolicyUnavailable


@final
class CircuitBreaker:
    """Closed (asking), open (not asking), or half open (one health probe decides).

    ``failures`` failures in a row open it for ``cooldown_s``; the first caller after that probes the
    server's health. A healthy server gets one chance: the next failure opens the circuit again, for
    twice as long, and the next success forgets everything.
    """

    def __init__(self, *, failures: int, cooldown_s: float, max_cooldown_s: float, clock: Callable[[], float]) -> None:
        self._failures = failures
        self._first_cooldown_s = cooldown_s
        self._max_cooldown_s = max_cooldown_s
        self._clock = clock
        self._consecutive = 0
        self._cooldown_s = cooldown_s
        self._closed_again_at: float | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether requests are refused without asking the server."""
        return self._closed_again_at is not None

    @property
    def remaining_s(self) -> float:
        """Seconds until the server may be probed; 0 if it may be, or is asked anyway."""
        return max(0.0, (self._closed_again_at or 0.0) - self._clock()) if self.is_open else 0.0

    def record_success(self) -> None:
        """The server answered."""
        self._consecutive = 0
        self._cooldown_s = self._first_cooldown_s
        self._closed_again_at = None

    def record_failure(self) -> None:
        """The server could not be reached, or failed."""
        self._consecutive += 1
        if self._consecutive >= self._failures and not self.is_open:
            self.open()

    async def admit(self, probe: Callable[[], Awaitable[bool]], *, url: str) -> None:
        """Return if the server may be asked.

        Raises:
            PolicyUnavailable: the circuit is open.
        """
        if self._closed_again_at is None:
            return
        if self.remaining_s > 0.0 or self._probing:
            raise PolicyUnavailable(
                f"{url} failed {self._consecutive} times in a row; it is asked again in {self.remaining_s:.0f} s",
                url=url,
            )
        if not await self._probe(probe):
            self.open()
            raise PolicyUnavailable(
                f"{url} is still not healthy; it is asked again in {self._cooldown_s:.0f} s", url=url
            )
        self._closed_again_at = None
        self._consecutive = self._failures - 1

    async def _probe(self, probe: Callable[[], Awaitable[bool]]) -> bool:
        self._probing = True
        try:
            return await probe()
        finally:
            self._probing = False

    def open(self) -> None:
        """Leave the server alone, each time in a row for twice as long."""
        self._closed_again_at = self._clock() + self._cooldown_s
        self._cooldown_s = min(2 * self._cooldown_s, self._max_cooldown_s)


@final
class AdaptiveLimit:
    """A weighted, first-come-first-served semaphore that shrinks while the server is overloaded, and grows back.

    Weights are sequences (samples, or texts to encode). Congestion halves the limit, once for all
    the requests that were already out; a window of successes adds one more request's worth. A
    request heavier than the limit still goes out, alone.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._limit = float(maximum)
        self._round = 0
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.in_flight = 0

    @property
    def limit(self) -> int:
        """Sequences that may be in flight now."""
        return max(1, int(self._limit))

    @property
    def waiting(self) -> int:
        """Requests that wait for room."""
        return len(self._queue)

    @property
    def load(self) -> float:
        """Sequences in flight and waiting, as a share of what may be in flight."""
        return (self.in_flight + sum(weight for weight, _ in self._queue)) / self.limit

    @asynccontextmanager
    async def hold(self, weight: int) -> AsyncIterator[int]:
        """Wait for room, then hold it; yields the round to report congestion with."""
        await self._acquire(weight)
        try:
            yield self._round
        finally:
            self.in_flight -= weight
            self._admit()

    def report_success(self, weight: int) -> None:
        """A request of this weight was answered."""
        self._limit = min(float(self._maximum), self._limit + weight * weight / max(self._limit, weight))
        self._admit()

    def report_congestion(self, started_in_round: int) -> None:
        """A request was turned away, or took too long."""
        if started_in_round == self._round:  # the round's other failures have the same cause
            self._limit = max(1.0, self._limit / 2)
            self._round += 1

    async def _acquire(self, weight: int) -> None:
        turn = asyncio.get_running_loop().create_future()
        entry = (weight, turn)
        self._queue.append(entry)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # let in and cancelled at the same time
                self.in_flight -= weight
            elif entry in self._queue:
                self._queue.remove(entry)
            self._admit()
            raise

    def _admit(self) -> None:
        while self._queue:
            weight, turn = self._queue[0]
            if turn.cancelled():  # its task has not heard of it yet
                self._queue.popleft()
                continue
            if self.in_flight and self.in_flight + weight > self.limit:
                return
            self._queue.popleft()
            self.in_flight += weight
            turn.set_result(None)
