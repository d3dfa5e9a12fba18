"""Deadlines that are fair to whoever must keep them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

__all__ = ["within"]

_log = logging.getLogger(__name__)
T = TypeVar("T")

_STANDSTILL_S = 1.0
"""A deadline is noticed within milliseconds; if it takes longer than this, our process stood still."""


async def within(seconds: float, attempt: Callable[[], Awaitable[T]]) -> T:
    """Await ``attempt()``, for at most ``seconds`` through which our own process ran.

    A process that was stopped (Ctrl-Z, a debugger, a paused container) hears of an answer that has long been there
    and of a deadline that has long passed in the same breath. That is nobody's fault but ours: the deadline is
    moved by as long as we stood still, but not by more than ``seconds``, and ``attempt`` is called again.

    Args:
        seconds: of the event loop's clock, which is monotonic.
        attempt: takes up where an earlier call was cancelled.

    Raises:
        TimeoutError: the deadline passed.
    """
    clock = asyncio.get_running_loop().time
    due_s = clock() + seconds
    while True:
        try:
            async with asyncio.timeout_at(due_s):
                return await attempt()
        except TimeoutError:
            standstill_s = clock() - due_s
            if standstill_s < _STANDSTILL_S:
                raise
            _log.warning("this process stood still for %.1f s; whoever it waits for gets that time back", standstill_s)
            due_s = clock() + min(standstill_s, seconds)
