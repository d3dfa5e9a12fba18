"""What a process writes into a file, again and again, to show that it lives."""

from __future__ import annotations

import math
import re
from typing import Final

BEATS_TO_EXPIRE: Final = 6
"""Beats in the time after which a silent process is taken for dead."""

_LONGEST_S: Final = 1e9

_PULSE: Final = re.compile(r"\d+-(\d{1,13})", re.ASCII)


def pulse(count: int, lease_s: float) -> str:
    """The ``count``-th beat of one that asks to be taken for dead after ``lease_s`` seconds without another one.

    Whoever beats says this itself: one that beats seldom must not be taken for dead by one that was started with a
    shorter lease.
    """
    return f"{count}-{math.ceil(min(lease_s, _LONGEST_S) * 1000)}"


def lease_in(beat: str, otherwise_s: float) -> float:
    """The seconds that ``beat`` says; ``otherwise_s`` if it says none."""
    found = _PULSE.fullmatch(beat)
    return otherwise_s if found is None else int(found[1]) / 1000
