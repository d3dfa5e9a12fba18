"""Background tasks that end with the block they serve."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypeVar

__all__ = ["TaskScope", "within"]


class TaskScope:
    """An :class:`asyncio.TaskGroup` for servants: when the block ends, however it ends, they are cancelled.

    Unlike with a bare task group, the block's own exception is raised as it is, not inside a group.
    A servant that raises is a defect: it cancels the block and is reported in an exception group.
    """

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> asyncio.TaskGroup:
        return await self._group.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancel the servants and wait for them."""
        # A group whose block was cancelled cancels its tasks, and raises that very cancellation when
        # they are done: so we tell it of one, and keep the one we made up to ourselves.
        stop = error if isinstance(error, asyncio.CancelledError) else asyncio.CancelledError()
        requests = _cancellation_requests()
        try:
            await self._group.__aexit__(asyncio.CancelledError, stop, traceback)
        except asyncio.CancelledError as raised:
            # One that came while the servants were ending the group took for its own doing, and swallowed.
            if raised is not stop or _cancellation_requests() > requests:
                raise


def _cancellation_requests() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


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
