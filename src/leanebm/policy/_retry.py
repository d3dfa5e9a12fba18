"""Whether to try again, and when."""

from __future__ import annotations

import random
from collections import Counter
from typing import Final, final

from leanebm.policy._failure import AttemptFailed, Failure
from leanebm.policy.config import PolicyClientConfig

__all__ = ["RetryBudget", "RetryPlan"]

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
