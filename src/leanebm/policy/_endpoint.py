"""A server as calls see it: limit, breaker, deadline and retries around the transport."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Self, TypeVar, final

from leanebm.errors import PolicyProtocolError, PolicyTimeout
from leanebm.policy._adaptive_limit import AdaptiveLimit
from leanebm.policy._breaker import CircuitBreaker
from leanebm.policy._failure import AttemptFailed, Failure
from leanebm.policy._meter import Meter
from leanebm.policy._retry import RetryBudget, RetryPlan
from leanebm.policy._transport import Transport
from leanebm.policy.config import PolicyClientConfig

__all__ = ["Endpoint", "Sleep"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

Sleep = Callable[[float], Awaitable[None]]

_HEALTH_TIMEOUT_S: Final = 25.0
"""Some servers generate a token to answer ``/health``, and give that up to 20 s."""


@final
class Endpoint:
    """One server. Enter it with ``async with``."""

    def __init__(
        self,
        base_url: str,
        config: PolicyClientConfig,
        *,
        meter: Meter,
        clock: Callable[[], float],
        sleep: Sleep,
        rng: random.Random,
    ) -> None:
        self.url = base_url
        self._config = config
        self._meter = meter
        self._clock = clock
        self._sleep = sleep
        self._rng = rng
        self._transport = Transport(base_url, config)
        self._budget = RetryBudget()
        self.limit = AdaptiveLimit(config.max_sequences_in_flight)
        self.breaker = CircuitBreaker(
            failures=config.breaker_failures,
            cooldown_s=config.breaker_cooldown_s,
            max_cooldown_s=config.breaker_max_cooldown_s,
            clock=clock,
        )

    async def __aenter__(self) -> Self:
        """Open the connection pool; the server need not be up."""
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close every connection."""
        await self._transport.__aexit__(*exc_info)

    async def post(self, path: str, body: Mapping[str, object], *, weight: int, decode: Callable[[object], _T]) -> _T:
        """Ask until an answer decodes, the failure is final, or the deadline passes.

        Args:
            path: the endpoint.
            body: the request, as JSON.
            weight: sequences it asks for.
            decode: reads the answer; what it raises as ``PolicyProtocolError`` or ``AttemptFailed``
                counts as a failed attempt.

        Raises:
            PolicyError: of the kind the last failure was.
        """
        return await self._call("POST", path, body, weight, decode)

    async def get(self, path: str) -> object:
        """Ask for a small piece of information, with the same patience.

        Raises:
            PolicyError: of the kind the last failure was.
        """
        return await self._call("GET", path, None, 1, lambda reply: reply)

    async def is_healthy(self) -> bool:
        """Whether ``/health`` answers 200 now; a server without that endpoint counts as healthy."""
        try:
            async with asyncio.timeout(_HEALTH_TIMEOUT_S):
                await self._transport.send("GET", "/health", fresh=True)
        except TimeoutError:
            return False
        except AttemptFailed as failure:
            # Any refusal, or a body we cannot read, still is a server that answers.
            return failure.kind in (Failure.REFUSED, Failure.GARBLED)
        return True

    async def _call(
        self, method: str, path: str, body: Mapping[str, object] | None, weight: int, decode: Callable[[object], _T]
    ) -> _T:
        plan = RetryPlan(self._config, self._rng, self._budget)
        self._budget.earn()
        deadline: float | None = None
        fresh = False
        while True:
            await self.breaker.admit(self.is_healthy, url=self.url)
            try:
                async with self.limit.hold(weight) as started_in_round:
                    # Waiting for our own limit is back-pressure, not the server's slowness, so the
                    # deadline starts here.
                    deadline = self._clock() + self._config.deadline_s if deadline is None else deadline
                    answer = await self._attempt(method, path, body, decode, deadline, fresh=fresh)
            except AttemptFailed as failure:
                self._learn_from(failure, started_in_round)
                pause_s = plan.pause_after(failure, remaining_s=deadline - self._clock() if deadline else 0.0)
                if pause_s is None:
                    failure.error.attempts = plan.attempts
                    raise failure.error from failure.__cause__
                self._meter.retries += 1
                _log.info("%s; attempt %d follows in %.2f s", failure.error, plan.attempts + 1, pause_s)
                await self._sleep(pause_s)
                fresh = failure.kind is Failure.DROPPED
            else:
                self.breaker.record_success()
                self.limit.report_success(weight)
                return answer

    async def _attempt(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        decode: Callable[[object], _T],
        deadline: float,
        *,
        fresh: bool,
    ) -> _T:
        started = self._clock()
        self._meter.requests += 1
        url = self.url + path
        try:
            async with asyncio.timeout(max(deadline - started, 0.0)):
                reply = await self._transport.send(method, path, body, fresh=fresh)
        except TimeoutError as error:
            late = PolicyTimeout(f"{url} did not answer within {self._config.deadline_s:g} s", url=url)
            raise AttemptFailed(Failure.TIMED_OUT, late) from error
        self._meter.latencies_s.append(self._clock() - started)
        try:
            return decode(reply)
        except PolicyProtocolError as error:
            error.url = url
            raise AttemptFailed(Failure.GARBLED, error) from error.__cause__

    def _learn_from(self, failure: AttemptFailed, started_in_round: int) -> None:
        self._meter.failures[failure.kind] += 1
        if failure.kind.value.trips_breaker:
            self.breaker.record_failure()
        if failure.kind.value.is_congestion:
            self.limit.report_congestion(started_in_round)
