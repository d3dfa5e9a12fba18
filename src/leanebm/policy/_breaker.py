"""Leaves a server alone for a while after it has failed many times in a row."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import final

from leanebm.errors import PolicyUnavailable

__all__ = ["CircuitBreaker"]


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

    def record_success(self) -> None:
        """The server answered."""
        self._consecutive = 0
        self._cooldown_s = self._first_cooldown_s
        self._closed_again_at = None

    def record_failure(self) -> None:
        """The server could not be reached, or failed."""
        self._consecutive += 1
        if self._consecutive >= self._failures and not self.is_open:
            self._open()

    async def admit(self, probe: Callable[[], Awaitable[bool]], *, url: str) -> None:
        """Return if the server may be asked.

        Raises:
            PolicyUnavailable: the circuit is open.
        """
        if self._closed_again_at is None:
            return
        remaining_s = self._closed_again_at - self._clock()
        if remaining_s > 0 or self._probing:
            raise PolicyUnavailable(
                f"{url} failed {self._consecutive} times in a row; it is asked again in {max(remaining_s, 0.0):.0f} s",
                url=url,
            )
        if not await self._probe(probe):
            self._open()
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

    def _open(self) -> None:
        self._closed_again_at = self._clock() + self._cooldown_s
        self._cooldown_s = min(2 * self._cooldown_s, self._max_cooldown_s)
