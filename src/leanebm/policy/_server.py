"""One server as attempts see it: its connections, its limit, its breaker."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Generic, Self, TypeVar, final

import attrs

from leanebm.errors import EncoderError, PolicyProtocolError, PolicyTimeout
from leanebm.policy._admission import AdaptiveLimit, CircuitBreaker
from leanebm.policy._failure import AttemptFailed, Failure
from leanebm.policy._transport import Transport
from leanebm.policy.config import PolicyClientConfig
from leanebm.policy.statistics import RequestMeter

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

_HEALTH_TIMEOUT_S: Final = 25.0
"""Some servers generate a token to answer ``/health``, and give that up to 20 s."""

_ABORT_TIMEOUT_S: Final = 2.0


@attrs.frozen(kw_only=True)
class Call(Generic[_T]):
    """What is asked, until it is answered."""

    method: str
    path: str
    body: Mapping[str, object] | None = None
    weight: int | None
    """Sequences it asks for; ``None`` for a service call, which never waits for room."""

    decode: Callable[[object], _T]
    deadline_s: float
    is_abortable: bool = False
    decode_in_thread: bool = False


@final
class Server:
    """One server. Enter it with ``async with``."""

    def __init__(
        self, url: str, config: PolicyClientConfig, *, meter: RequestMeter, clock: Callable[[], float]
    ) -> None:
        self.url = url
        self.limit = AdaptiveLimit(config.max_sequences_in_flight)
        self.breaker = CircuitBreaker(
            failures=config.breaker_failures,
            cooldown_s=config.breaker_cooldown_s,
            max_cooldown_s=config.breaker_max_cooldown_s,
            clock=clock,
        )
        self.rests_until = 0.0
        """When it may be asked again, of several servers, by the ``Retry-After`` of its last refusal."""

        self.aborts: asyncio.TaskGroup | None = None
        """Where it is told that nobody waits for an answer any more."""

        self._config = config
        self._meter = meter
        self._clock = clock
        self._transport = Transport(url, config)
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the connection pool; the server need not be up."""
        await self._resources.enter_async_context(self._transport)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close every connection."""
        self.aborts = None
        await self._resources.aclose()

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
            return None if failure.kind is Failure.REFUSED or failure.kind.value.is_refusal else failure
        return None

    @asynccontextmanager
    async def room_for(self, call: Call[_T]) -> AsyncIterator[int | None]:
        """Wait until the call may go out; yields the round to report congestion with, ``None`` for a service call."""
        if call.weight is None:
            yield None
            return
        async with self.limit.hold(call.weight) as started_in_round:
            yield started_in_round

    async def attempt(self, call: Call[_T], deadline: float, *, fresh: bool) -> _T:
        """Ask once, until ``deadline`` on the clock.

        Raises:
            AttemptFailed: for whatever reason no usable answer came.
            EncoderError: the answer is a vector that no encoder may make.
        """
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
            if rid is not None and self.aborts is not None:
                self.aborts.create_task(self._abort(rid))
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
