"""What a policy client has done so far."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

import attrs

from leanebm._shown import fitting_repr
from leanebm.policy._failure import Failure


@attrs.frozen(kw_only=True)
class PolicyStatistics:
    """A snapshot; take two and subtract."""

    requests: int
    """HTTP attempts sent, retries included."""

    retries: int
    """Attempts after the first, over all calls."""

    overloads: int
    """Answers that said the server is full."""

    failures: int
    """Failed attempts of every kind, overloads included."""

    proposals: int
    """States that tactics were asked for."""

    truncated_states: int
    """States that were too long to be shown whole, to the policy or to the encoder."""

    samples: int
    """Completions received and usable."""

    candidates: int
    """Distinct tactics handed to search."""

    dropped_samples: int
    """Completions that the server aborted or gave no probability to."""

    filtered_samples: int
    """Completions without a tactic in them, or with ``sorry`` or ``admit``."""

    token_count_mismatches: int
    """Completions whose token count and log-probabilities disagree in number."""

    texts: int
    """Texts asked to be encoded."""

    cached_texts: int
    """Of those, answered from memory."""

    stored_texts: int
    """Of those, read from the cache on disk."""

    shared_texts: int
    """Of those, answered by a request that was already under way for the same text."""

    weight_changes: int
    """Times the server's weights changed under us."""

    in_flight: int
    """Sequences asked for and not yet answered."""

    waiting: int
    """Requests that wait for room under ``concurrency_limit``."""

    concurrency_limit: int
    """Sequences that may be in flight now; the server's overloads lower it."""

    is_circuit_open: bool
    """Whether the server is being left alone after many failures."""

    latency_p50_s: float
    """Median seconds from request to answer, over the last 512 answers."""

    latency_p95_s: float
    """95th percentile of the same."""

    __repr__ = fitting_repr

    def __str__(self) -> str:
        """What a log says when the client closes."""
        return (
            f"{self.requests} requests, {self.retries} of them retries, {self.failures} failed; {self.samples} samples "
            f"for {self.proposals} states; answers took {self.latency_p50_s:.2f} s (95 % within "
            f"{self.latency_p95_s:.2f} s); {self.concurrency_limit} sequences at once at the end"
        )


_LATENCIES_KEPT: Final = 512


@attrs.define
class RequestMeter:
    """Mutable, shared by the client's parts; one event loop, so no lock."""

    requests: int = 0
    retries: int = 0
    failures: Counter[Failure] = attrs.field(factory=Counter)
    latencies_s: deque[float] = attrs.field(factory=lambda: deque(maxlen=_LATENCIES_KEPT))
    proposals: int = 0
    truncated_states: int = 0
    samples: int = 0
    candidates: int = 0
    dropped_samples: int = 0
    filtered_samples: int = 0
    token_count_mismatches: int = 0
    texts: int = 0
    cached_texts: int = 0
    stored_texts: int = 0
    shared_texts: int = 0
    weight_changes: int = 0

    def counts(self) -> dict[str, int]:
        """What :class:`PolicyStatistics` says of the past."""
        own = {name: value for name, value in attrs.asdict(self, recurse=False).items() if isinstance(value, int)}
        return {**own, "overloads": self.failures[Failure.OVERLOADED], "failures": self.failures.total()}

    def latency_quantile_s(self, fraction: float) -> float:
        """The latency that ``fraction`` of the recent answers stayed within; 0 before the first."""
        ranked = sorted(self.latencies_s)
        return ranked[min(len(ranked) - 1, int(fraction * len(ranked)))] if ranked else 0.0
