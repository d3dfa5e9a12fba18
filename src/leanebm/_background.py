"""Lets synchronous code use asynchronous parts: scripts, and notebooks, whose event loop is already running."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Final, Generic, TypeVar, final

from leanebm._whereabouts import where_tasks_are
from leanebm.errors import PartBroken, PoolClosed

R = TypeVar("R")
T = TypeVar("T")

ENDING_S: Final = 30.0
"""Seconds that leaving may take: workers end, and what was found is written."""


@final
class Background(Generic[R]):
    """An asynchronous context manager, held open on an event loop of its own, in a thread of its own.

    Args:
        context: what to hold; it is entered and left in one task.
        name: what messages call it, and its thread.
    """

    def __init__(self, context: AbstractAsyncContextManager[R], *, name: str) -> None:
        self._context = context
        self._name = name
        self._thread = threading.Thread(target=self._run, name=f"leanebm {name}", daemon=True)
        self._began: Future[asyncio.AbstractEventLoop] = Future()
        self._opened: Future[R] = Future()
        self._ended: Future[None] = Future()
        self._leave = asyncio.Event()
        self._holding: asyncio.Task[None] | None = None
        self._process = os.getpid()

    @property
    def value(self) -> R:
        """What the context gives.

        Raises:
            PoolClosed: it is not open.
        """
        self._check()
        return self._opened.result()

    def start(self, *, ending_s: float = ENDING_S) -> None:
        """Enter the context; raises what entering it raises.

        If that fails, or is interrupted, what was begun has ``ending_s`` seconds to end; then it is left to itself.
        """
        self._thread.start()
        try:
            self._opened.result()
        except BaseException:
            self.release()
            self._thread.join(ending_s)
            raise

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the loop, and wait for it; an interrupt of the waiting thread cancels it there.

        Raises:
            PoolClosed: the context is not open, or was left meanwhile.
        """
        try:
            self._check()
        except PoolClosed:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, self._began.result())
        try:
            return future.result()
        except CancelledError:
            if not self._leave.is_set():
                raise
            raise PoolClosed(f"{self._name} was closed before it had answered") from None
        except BaseException:
            future.cancel()
            raise

    def release(self) -> None:
        """Have the context left, without waiting for that; one that is not open yet is not opened further."""
        if self._thread.ident is None or self._ended.done() or self._is_elsewhere:
            return
        with suppress(RuntimeError):  # the loop has just ended by itself
            self._began.result().call_soon_threadsafe(self._let_go)

    def stop(self, *, ending_s: float = ENDING_S) -> None:
        """Leave the context and end the thread; raises what leaving it raises.

        Raises:
            PartBroken: something goes on although it was cancelled; it is left to itself after ``ending_s`` seconds.
        """
        self.release()
        if self._thread.ident is None or self._is_elsewhere:
            return
        self._thread.join(ending_s)
        if self._thread.is_alive():
            tasks = asyncio.all_tasks(self._began.result())
            place = where_tasks_are(tasks) or "something"
            raise PartBroken(
                f"{self._name} should have ended, but {place} goes on although it was cancelled; "
                "asyncio.CancelledError must be let through"
            )
        self._ended.result()

    @property
    def _is_elsewhere(self) -> bool:
        """Whether this process was forked from the one that has the thread."""
        return self._process != os.getpid()

    def _check(self) -> None:
        if self._is_elsewhere:
            raise PoolClosed(f"{self._name} belongs to the process that this one was forked from: make one here")
        if not self._opened.done():
            raise PoolClosed(f"{self._name} is not open yet: enter it with 'with', or call start()")
        if self._ended.done():
            raise PoolClosed(f"{self._name} is closed")

    def _let_go(self) -> None:
        self._leave.set()
        if not self._opened.done() and self._holding is not None:
            self._holding.cancel()

    def _run(self) -> None:
        try:
            asyncio.run(self._hold())
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that is to see it
            self._fail(error)
        else:
            self._ended.set_result(None)

    def _fail(self, error: BaseException) -> None:
        if self._opened.done():
            self._ended.set_exception(error)
            return
        self._ended.set_result(None)  # whoever starts it is told by the other one
        for waited_for in (self._began, self._opened):
            if not waited_for.done():
                waited_for.set_exception(error)

    async def _hold(self) -> None:
        self._holding = asyncio.current_task()
        self._began.set_result(asyncio.get_running_loop())
        async with self._context as value:
            self._opened.set_result(value)
            await self._leave.wait()


@final
class LazyBackground(Generic[R]):
    """A :class:`Background` that the first use starts, whichever thread comes first, and :meth:`close` ends for good.

    One that is forgotten ends with the last reference to it.

    Args:
        opening: makes what to hold. It must not refer to whoever has this, whose end would wait for the collector.
        name: what messages call it, and its thread.
    """

    def __init__(self, opening: Callable[[], AbstractAsyncContextManager[R]], *, name: str) -> None:
        self._opening = opening
        self._name = name
        self._starting = threading.Lock()
        self._background: Background[R] | None = None
        self._is_closed = False

    @property
    def state(self) -> str:
        """In a word or two, for a ``repr``."""
        return "closed" if self._is_closed else "not started" if self._background is None else "ready"

    def started(self) -> Background[R]:
        """The background, started if this is the first use; raises what entering the context raises.

        Raises:
            PoolClosed: it was closed.
        """
        with self._starting:
            if self._is_closed:
                raise PoolClosed(f"{self._name} is closed; make another one")
            if self._background is None:
                background = Background(self._opening(), name=self._name)
                background.start()
                weakref.finalize(self, background.release)
                self._background = background
            return self._background

    def close(self) -> None:
        """Leave the context. Closing twice is allowed."""
        with self._starting:
            self._is_closed = True
            if self._background is not None:
                self._background.stop()
