"""What to begin with."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping


def longest_first(names: Iterable[str], expected_s: Mapping[str, float]) -> list[str]:
    """The items' names, those that take longest first, so that nobody waits for one at the end.

    Args:
        names: in their own order, which is kept among equals.
        expected_s: seconds, where they are known; an item of which nothing is known is as usual.
    """
    usual_s = statistics.median(expected_s.values()) if expected_s else 0.0
    return sorted(names, key=lambda name: expected_s.get(name, usual_s), reverse=True)
