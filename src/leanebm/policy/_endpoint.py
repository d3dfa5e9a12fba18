"""A server as calls see it: limit, breaker, deadline and retries around the transport."""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Generic, Self, TypeVar, final

import attrs

from leanebm.errors import EncoderError, PolicyProtocolError, PolicyTimeout
from leanebm.policy._admission import AdaptiveLimit, CircuitBreaker
from leanebm.policy._failure import AttemptFailed, Failure
from leanebm.policy._transport import Transport
from leanebm.policy.config import PolicyClientConfig
from leanebm.policy.statistics import RequestMeter

_RETRIES_A_CALL: Final = 0.1

_LARGEST_BUDGET: Final = 20.0


@final
class RetryBudget:
    """Lets about one call in ten be a retry, so that retries never multiply a server's trouble.

    A bucket that every call fills a little and every retry empties by one; it starts full, because
    a few retries at the start are harmless.
    """

    def __init__(self) -> None:
        self._left = _LARGEST_BUDGET

    def earn(self) -> None:
        """A call was made."""
        self._left = min(_LARGEST_BUDGET, self._left + _RETRIES_A_CALL)

    def spend(self) -> bool:
        """Take one retry out; ``False`` if none is left."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


@final
class RetryPlan:
    """The retries of one call: exponential back-off with full jitter, bounded by kind and by deadline."""

    def __init__(self, config: PolicyClientConfig, rng: random.Random, budget: RetryBudget) -> None:
        self._config = config
        self._rng = rng
        self._budget = budget
        self._seen: Counter[Failure] = Counter()

    @property
    def attempts(self) -> int:
        """Attempts that have failed."""
        return self._seen.total()

    def pause_after(self, failure: AttemptFailed, *, remaining_s: float) -> float | None:
        """Seconds to wait before the next attempt; ``None`` to give up.

        Args:
            failure: what just happened.
            remaining_s: seconds until the call's deadline.
        """
        self._seen[failure.kind] += 1
        verdict = failure.kind.value
        allowed = self._config.max_attempts - 1 if verdict.retries < 0 else verdict.retries
        if self._seen[failure.kind] > allowed:
            return None
        pause_s = self._pause(failure)
        if pause_s >= remaining_s:
            return None
        return pause_s if not verdict.costs_budget or self._budget.spend() else None

    def _pause(self, failure: AttemptFailed) -> float:
        if failure.kind is Failure.DROPPED and self._seen[failure.kind] == 1:
            return 0.0  # an idle connection that the server had closed; a fresh one is likely to work
        doublings = min(self.attempts - 1, 30)
        ceiling_s = min(self._config.backoff_cap_s, self._config.backoff_base_s * 2.0**doublings)
        return max(self._rng.uniform(0.0, ceiling_s), failure.retry_after_s)


_log = logging.getLogger(__name__)

_T = TypeVar("_T")

Sleep = Callable[[float], Awaitable[None]]

_HEALTH_TIMEOUT_S: Final = 25.0

"""Some servers generate a token to answer ``/health``, and give that up to 20 s."""

_ABORT_TIMEOUT_S: Final = 2.0


@attrs.frozen(kw_only=True)
class _Call(Generic[_T]):
    """What is asked, until it is answered."""

    method: str
    path: str
    body: Mapping[str, object] | None = None
    weight: int | None
    decode: Callable[[object], _T]
    deadline_s: float
    is_abortable: bool = False
    decode_in_thread: bool = False


@final
class Endpoint:
    """One server. Enter it with ``async with``."""

    def __init__(
        self,
        base_url: str,
        config: PolicyClientConfig,
        *,
        meter: RequestMeter,
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
        self._resources = AsyncExitStack()
        self._aborts: asyncio.TaskGroup | None = None
        self.limit = AdaptiveLimit(config.max_sequences_in_flight)
        self.breaker = CircuitBreaker(
            failures=config.breaker_failures,
            cooldown_s=config.breaker_cooldown_s,
            max_cooldown_s=config.breaker_max_cooldown_s,
            clock=clock,
        )

    async def __aenter__(self) -> Self:
        """Open the connection pool; the server need not be up."""
        async with AsyncExitStack() as resources:
            await resources.enter_async_context(self._transport)
            self._aborts = await resources.enter_async_context(asyncio.TaskGroup())
            self._resources = resources.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close every connection."""
        self._aborts = None
        await self._resources.aclose()

    async def post(
        self,
        path: str,
        body: Mapping[str, object],
        *,
        weight: int | None,
        decode: Callable[[object], _T],
        deadline_s: float | None = None,
        is_abortable: bool = False,
        decode_in_thread: bool = False,
    ) -> _T:
        """Ask until an answer decodes, the failure is final, or the deadline passes.

        Args:
            path: the endpoint.
            body: the request, as JSON.
            weight: sequences it asks for; ``None`` for a service call, which never waits for room.
            decode: reads the answer; what it raises as ``PolicyProtocolError`` or ``AttemptFailed``
                counts as a failed attempt.
            deadline_s: seconds it may take; as configured by default.
            is_abortable: whether to name the request, and tell the server by that name if we are cancelled.
            decode_in_thread: whether decoding takes long enough to keep it off the event loop.

        Raises:
            PolicyError: of the kind the last failure was.
        """
        call = _Call(
            method="POST",
            path=path,
            body=body,
            weight=weight,
            decode=decode,
            deadline_s=deadline_s or self._config.deadline_s,
            is_abortable=is_abortable,
            decode_in_thread=decode_in_thread,
        )
        return await self._answer(call)

    async def get(self, path: str) -> object:
        """Ask for a small piece of information, with the same patience. Never waits for room.

        Raises:
            PolicyError: of the kind the last failure was.
        """
        deadline_s = self._config.deadline_s
        return await self._answer(
            _Call(method="GET", path=path, weight=None, decode=lambda reply: reply, deadline_s=deadline_s)
        )

    async def is_healthy(self) -> bool:
        """Whether ``/health`` answers 200 now; a server without that endpoint counts as healthy."""
        return await self.trouble() is None

    async def trouble(self) -> AttemptFailed | None:
        """What keeps ``/health`` from answering 200 now; ``None`` if nothing does."""
        try:
            async with asyncio.timeout(_HEALTH_TIMEOUT_S):
                await self._transport.send("GET", "/health", fresh=True)
        except TimeoutError:
            late = PolicyTimeout(f"{self.url}/health did not answer within {_HEALTH_TIMEOUT_S:g} s", url=self.url)
            return AttemptFailed(Failure.TIMED_OUT, late)
        except AttemptFailed as failure:
            # Any refusal, or a body we cannot read, still is a server that answers. Whether the key is good, the
            # next request shows: some want one, or another, for paths that they do not have.
            return None if failure.kind in (Failure.REFUSED, Failure.GARBLED, Failure.UNAUTHORIZED) else failure
        return None

    async def _answer(self, call: _Call[_T]) -> _T:
        plan = RetryPlan(self._config, self._rng, self._budget)
        self._budget.earn()
        deadline: float | None = None
        fresh = False
        while True:
            await self.breaker.admit(self.is_healthy, url=self.url)
            try:
                async with self._room_for(call) as started_in_round:
                    # Waiting for our own limit is back-pressure, not the server's slowness, so the
                    # deadline starts here.
                    deadline = self._clock() + call.deadline_s if deadline is None else deadline
                    answer = await self._attempt(call, deadline, fresh=fresh)
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
                if call.weight is not None:
                    self.limit.report_success(call.weight)
                return answer

    @asynccontextmanager
    async def _room_for(self, call: _Call[_T]) -> AsyncIterator[int | None]:
        if call.weight is None:
            yield None
            return
        async with self.limit.hold(call.weight) as started_in_round:
            yield started_in_round

    async def _attempt(self, call: _Call[_T], deadline: float, *, fresh: bool) -> _T:
        started = self._clock()
        self._meter.requests += 1
        url = self.url + call.path
        # A name an attempt: the server may still be busy with the one before.
        rid = f"leanebm-{uuid.uuid4().hex}" if call.is_abortable else None
        body = call.body if rid is None else {**(call.body or {}), "rid": rid}
        try:
            async with asyncio.timeout(max(deadline - started, 0.0)):
                reply = await self._transport.send(call.method, call.path, body, fresh=fresh)
        except TimeoutError as error:
            setting = "deadline_s" if call.deadline_s == self._config.deadline_s else "startup_deadline_s"
            limit = f"{call.deadline_s:g} s ({setting} of the policy client)"
            late = PolicyTimeout(f"{url} did not answer within {limit}", url=url)
            raise AttemptFailed(Failure.TIMED_OUT, late) from error
        except asyncio.CancelledError:
            if rid is not None and self._aborts is not None:
                self._aborts.create_task(self._abort(rid))
            raise
        self._meter.latencies_s.append(self._clock() - started)
        try:
            return await asyncio.to_thread(call.decode, reply) if call.decode_in_thread else call.decode(reply)
        except EncoderError as error:
            error.url = url
            raise
        except PolicyProtocolError as error:
            error.url = url
            raise AttemptFailed(Failure.GARBLED, error) from error.__cause__

    async def _abort(self, rid: str) -> None:
        """Tell the server that nobody waits any more; it notices a closed connection only seconds later."""
        try:
            async with asyncio.timeout(_ABORT_TIMEOUT_S):
                await self._transport.send("POST", "/abort_request", {"rid": rid}, fresh=True)
        except (AttemptFailed, TimeoutError) as error:
            _log.debug("could not abort %s: %s", rid, error)

    def _learn_from(self, failure: AttemptFailed, started_in_round: int | None) -> None:
        self._meter.failures[failure.kind] += 1
        if failure.kind.value.trips_breaker:
            self.breaker.record_failure()
        if failure.kind.value.is_congestion and started_in_round is not None:
            self.limit.report_congestion(started_in_round)
