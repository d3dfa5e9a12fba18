"""What answers a setting's address, as calls see it: deadline and retries around one server, or one of several."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, Self, TypeVar, final

from leanebm.core import PolicyUse
from leanebm.errors import PolicyError, PolicyTimeout
from leanebm.policy._failure import AttemptFailed, Failure
from leanebm.policy._fleet import Fleet, Get
from leanebm.policy._server import Call, Server
from leanebm.policy.config import PolicyClientConfig
from leanebm.policy.model_info import ModelInfo
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


async def _says_nothing(_: Get) -> ModelInfo:
    return ModelInfo()


@final
class Endpoint:
    """One server, or several as if they were one. Enter it with ``async with``."""

    def __init__(
        self,
        url: str,
        config: PolicyClientConfig,
        *,
        meter: RequestMeter,
        clock: Callable[[], float],
        sleep: Sleep,
        rng: random.Random,
        introduce: Callable[[Get], Awaitable[ModelInfo]] = _says_nothing,
        one_version: bool = True,
        adapters: Collection[str] = (),
    ) -> None:
        self.url = url
        self._config = config
        self._meter = meter
        self._clock = clock
        self._sleep = sleep
        self._rng = rng
        self._budget = RetryBudget()
        self.fleet = Fleet(
            url,
            config,
            make_server=lambda address: Server(address, config, meter=meter, clock=clock),
            introduce=introduce,
            clock=clock,
            one_version=one_version,
            adapters=adapters,
        )

    async def __aenter__(self) -> Self:
        """Open the connection pools; no server need be up.

        Raises:
            ConfigError: the file of addresses cannot be read.
        """
        await self.fleet.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close every connection."""
        await self.fleet.__aexit__(*exc_info)

    async def post(
        self,
        path: str,
        body: Mapping[str, object],
        *,
        weight: int | None,
        decode: Callable[[object], _T],
        is_abortable: bool = False,
        decode_in_thread: bool = False,
        at: Server | None = None,
    ) -> _T:
        """Ask until an answer decodes, the failure is final, or the deadline passes.

        Args:
            path: the endpoint.
            body: the request, as JSON.
            weight: sequences it asks for; ``None`` for a service call, which never waits for room.
            decode: reads the answer; what it raises as ``PolicyProtocolError`` or ``AttemptFailed``
                counts as a failed attempt.
            is_abortable: whether to name the request, and tell the server by that name if we are cancelled.
            decode_in_thread: whether decoding takes long enough to keep it off the event loop.
            at: the server to ask; by default, whichever has least to do.

        Raises:
            PolicyError: of the kind the last failure was.
        """
        call = Call(
            method="POST",
            path=path,
            body=body,
            weight=weight,
            decode=decode,
            deadline_s=self._config.deadline_s,
            is_abortable=is_abortable,
            decode_in_thread=decode_in_thread,
        )
        return await self._answer(call, at)

    async def get(self, path: str) -> object:
        """Ask for a small piece of information, with the same patience. Never waits for room.

        Raises:
            PolicyError: of the kind the last failure was.
        """
        deadline_s = self._config.deadline_s
        call = Call(method="GET", path=path, weight=None, decode=lambda reply: reply, deadline_s=deadline_s)
        return await self._answer(call, None)

    async def present(self) -> list[Server]:
        """The servers that may be asked now, for what has to be said to each.

        Raises:
            PolicyUnavailable: of several, there is none.
            ConfigError: several were met for the first time, and are not alike.
        """
        if self.fleet.is_one:
            return self.fleet.servers
        await self.fleet.pick()
        return self.fleet.asked

    async def _answer(self, call: Call[_T], at: Server | None) -> _T:
        plan = RetryPlan(self._config, self._rng, self._budget)
        self._budget.earn()
        deadline: float | None = None
        fresh = False
        failed: dict[str, PolicyError] = {}
        refused_by: list[Server] = []
        use = PolicyUse.current()
        at = None if self.fleet.is_one else at  # there is nothing to choose
        while True:
            waits_since_s = self._clock()
            server = await self.fleet.pick(failed, refused_by) if at is None else at
            try:
                async with server.room_for(call) as started_in_round:
                    if at is None and not self.fleet.is_asked(server):
                        continue  # it has failed others while we waited for our turn
                    # Waiting for our own limit is back-pressure, not the server's slowness, so the
                    # deadline starts here.
                    deadline = self._clock() + call.deadline_s if deadline is None else deadline
                    use.waited_s += self._clock() - waits_since_s
                    answer = await server.attempt(call, deadline, fresh=fresh)
                    if at is None:
                        self.fleet.require_weights(server, answer)
            except AttemptFailed as failure:
                self._learn_from(server, failure, started_in_round)
                failed[server.url] = failure.error
                if failure.kind.value.is_refusal:
                    refused_by.append(server)
                remaining_s = deadline - self._clock() if deadline else 0.0
                is_decided = failure.kind.value.is_refusal and (call.weight is None or len(refused_by) > 1)
                if at is None and not is_decided and self._goes_elsewhere(failure, failed, remaining_s):
                    self._meter.retries += 1
                    deadline = None if failure.kind is Failure.TIMED_OUT else deadline
                    continue
                if refused_by and not is_decided and (rest_s := self.fleet.rest_of_others(refused_by)) is not None:
                    # Who can tell whether the request or the server was at fault has no room yet.
                    kind = Failure.OVERLOADED if failure.kind.value.is_refusal else failure.kind
                    failure = AttemptFailed(kind, failure.error, retry_after_s=rest_s)
                pause_s = plan.pause_after(failure, remaining_s=remaining_s)
                if pause_s is None:
                    error = self._summed(failure, failed)
                    error.attempts = plan.attempts
                    raise error from failure.__cause__
                self._meter.retries += 1
                _log.info("%s; attempt %d follows in %.2f s", failure.error, plan.attempts + 1, pause_s)
                paused_s = self._clock()
                await self._sleep(pause_s)
                use.waited_s += self._clock() - paused_s
                fresh = failure.kind is Failure.DROPPED
            else:
                server.breaker.record_success()
                self.fleet.learn_from_refusals(refused_by, failed)
                if call.weight is not None:
                    server.limit.report_success(call.weight)
                return answer

    def _goes_elsewhere(self, failure: AttemptFailed, failed: Mapping[str, PolicyError], remaining_s: float) -> bool:
        """Whether the call goes on with another server at once.

        No call asks a server twice this way, so one call is at most as many requests as there are servers, and a
        server that fails is soon not asked. Nor does it cost the budget, which is there for a server's sake. What one
        refuses, one other is asked.
        """
        if not (failure.kind.value.is_of_the_server and self.fleet.has_another(failed)):
            return False
        if failure.kind is Failure.TIMED_OUT:
            return sum(isinstance(error, PolicyTimeout) for error in failed.values()) == 1
        return remaining_s > 0

    def _summed(self, failure: AttemptFailed, failed: Mapping[str, PolicyError]) -> PolicyError:
        if len(failed) == 1 or not failure.kind.value.is_of_the_server:
            return failure.error
        return type(failure.error)("; ".join(map(str, failed.values())), url=self.url)

    def _learn_from(self, server: Server, failure: AttemptFailed, started_in_round: int | None) -> None:
        self._meter.failures[failure.kind] += 1
        self.fleet.learn_from(server, failure)
        if failure.kind.value.is_congestion and started_in_round is not None:
            server.limit.report_congestion(started_in_round)
