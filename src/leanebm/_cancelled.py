"""What becomes of work when whoever waits for it is cancelled: it is finished first, or a thread notices."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


async def uninterrupted(work: Awaitable[T]) -> T:
    """Run ``work`` to its end even if the caller is cancelled meanwhile; the cancellation is raised then.

    For short, bounded work only: killing and reaping a process, taking a lock, writing the last shard.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except BaseException:  # noqa: BLE001 - raised below, from the task itself
            break
    if cancelled is not None:
        raise cancelled
    return task.result()


_given_up: ContextVar[threading.Event | None] = ContextVar("given_up", default=None)


class GivenUpError(Exception):
    """Nobody waits any more for what this thread does."""


async def in_thread(work: Callable[[], T], *, to_its_end: bool = False) -> T:
    """``work()`` in a thread. Once the caller is cancelled, :func:`check_wanted` raises there.

    The loop's shutdown waits for threads, so what takes long must ask.

    Args:
        work: what to do.
        to_its_end: whether a caller that is cancelled waits until the thread has noticed.
    """
    given_up = threading.Event()
    token = _given_up.set(given_up)  # the thread gets a copy of the context
    working = asyncio.ensure_future(asyncio.to_thread(work))
    _given_up.reset(token)
    try:
        await asyncio.wait((working,))  # which, if it is cancelled, leaves the work alone
    except asyncio.CancelledError:
        given_up.set()
        if not to_its_end:
            working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        raise
    return working.result()


def check_wanted() -> None:
    """Go on, unless this is a thread of :func:`in_thread` whose caller was cancelled.

    Raises:
        GivenUpError: it is one.
    """
    given_up = _given_up.get()
    if given_up is not None and given_up.is_set():
        raise GivenUpError("the caller was cancelled")
