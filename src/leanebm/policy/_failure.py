"""Why one attempt failed, and what that means for the next."""

from __future__ import annotations

import enum
from typing import Final

import attrs

from leanebm.errors import PolicyBadRequest, PolicyError

_WITHIN_ATTEMPTS: Final = -1
_UNTIL_DEADLINE: Final = 10**9


@attrs.frozen(kw_only=True)
class FailureVerdict:
    """What a kind of failure means."""

    meaning: str
    """In words; it also keeps members apart whose consequences are the same."""

    retries: int
    """Most retries after this kind of failure in one call; -1: as many as attempts are configured."""

    trips_breaker: bool = False
    """Whether it speaks against the server's health."""

    is_congestion: bool = False
    """Whether the server lives and has too much to do: ask for less at once."""

    costs_budget: bool = True
    """Whether a retry counts against the client's budget of retries."""

    is_of_the_server: bool = False
    """Whether another server may well answer the same request."""

    is_refusal: bool = False
    """Whether the request may be at fault as well: of several servers one other is asked, and if that one answers, it
    speaks against this server's health."""


class Failure(enum.Enum):
    """The ways an attempt fails; the value says what follows."""

    CONNECT = FailureVerdict(
        meaning="no connection: refused, no such host, no answer",
        retries=_WITHIN_ATTEMPTS,
        trips_breaker=True,
        is_of_the_server=True,
    )
    DROPPED = FailureVerdict(
        meaning="the connection ended before a status line; often an idle one that the server had closed",
        retries=_WITHIN_ATTEMPTS,
        trips_breaker=True,
        is_of_the_server=True,
    )
    SERVER_ERROR = FailureVerdict(
        meaning="500, or 502 and 504 from a proxy", retries=2, trips_breaker=True, is_of_the_server=True
    )
    OVERLOADED = FailureVerdict(
        meaning="503 or 429: the queue is full, or our request waited too long or was evicted",
        retries=_UNTIL_DEADLINE,
        is_congestion=True,
        costs_budget=False,
        is_of_the_server=True,
    )
    TIMED_OUT = FailureVerdict(meaning="our own deadline passed", retries=0, is_congestion=True, is_of_the_server=True)
    REFUSED = FailureVerdict(meaning="4xx: the same request would be refused again", retries=0)
    MISPLACED = FailureVerdict(
        meaning="404, 405 or a redirect: there is no such thing, or another server, at this address",
        retries=0,
        is_of_the_server=True,
        is_refusal=True,
    )
    UNAUTHORIZED = FailureVerdict(
        meaning="401 or 403: another key is wanted", retries=0, is_of_the_server=True, is_refusal=True
    )
    GARBLED = FailureVerdict(
        meaning="status 200 and something that is not the contract", retries=1, is_of_the_server=True, is_refusal=True
    )
    ABORTED = FailureVerdict(meaning="status 200 and every sample aborted on the server", retries=1)
    OTHER_WEIGHTS = FailureVerdict(
        meaning="status 200 from one of several servers whose weights are not the others'",
        retries=0,
        is_of_the_server=True,
    )


class AttemptFailed(Exception):
    """One attempt's failure, with the error to raise if there is no other attempt."""

    def __init__(self, kind: Failure, error: PolicyError, *, retry_after_s: float = 0.0) -> None:
        self.kind = kind
        self.error = error
        self.retry_after_s = retry_after_s
        super().__init__(str(error))


class NotOffered(PolicyBadRequest):
    """404 or 405: the server has no such endpoint; older ones have it under another name, or not at all."""
