"""Running counts behind ``PolicyClient.statistics()``."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

import attrs

from leanebm.policy._failure import Failure

__all__ = ["Meter"]

_LATENCIES_KEPT: Final = 512


@attrs.define
class Meter:
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

    def latency_quantile_s(self, fraction: float) -> float:
        """The latency that ``fraction`` of the recent answers stayed within; 0 before the first."""
        ranked = sorted(self.latencies_s)
        return ranked[min(len(ranked) - 1, int(fraction * len(ranked)))] if ranked else 0.0
