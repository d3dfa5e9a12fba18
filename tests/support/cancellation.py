"""Cancels an operation at every point at which it can be cancelled, one point at a time.

A task can be cancelled only where it is suspended. So an operation with ``k`` suspensions is run ``k``
times and cancelled once at each, first *before* what it waits for has happened, then *after* it has
happened but before the task hears of it. The second is the moment at which a permit, a connection or a
worker that was just handed over is lost.

Suspensions of tasks that the operation starts count too, because its own ``await`` may stand still
while they move on; what is cancelled is always the operation itself.
"""

from __future__ import annotations

import asyncio
import enum
import gc
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, final

import attrs

from leanebm._shown import fitting_repr

__all__ = ["CancelMoment", "CancellationLeak", "CancellationSweep", "cancel_at_every_await"]

_T = TypeVar("_T")

_MOST_POINTS: Final = 2000


class CancelMoment(enum.Enum):
    """When, at a suspension, the cancellation comes."""

    BEFORE = "before what it waits for happens"
    AFTER = "after what it waits for has happened, before it hears of it"


class CancellationLeak(AssertionError):
    """A cancelled operation left something behind; ``problems`` lists what."""

    def __init__(self, place: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([f"cancelled {place}:", *(f"  - {problem}" for problem in problems)]))


@attrs.frozen(kw_only=True)
class CancellationSweep(Generic[_T]):
    """What :func:`cancel_at_every_await` did."""

    cancellations: int
    """Runs that were cancelled, all moments together."""

    result: _T
    """What the last run returned, which was not cancelled."""

    __repr__ = fitting_repr


async def cancel_at_every_await(
    operation: Callable[[], Coroutine[Any, Any, _T]],
    *,
    afterwards: Callable[[], Awaitable[object]] | None = None,
    moments: Sequence[CancelMoment] = tuple(CancelMoment),
    patience_s: float = 10.0,
) -> CancellationSweep[_T]:
    """Run ``operation`` again and again, cancelling it at its first, second, … suspension, until it completes.

    ::

        async def check() -> None:
            assert pool.statistics().num_leased == 0
            await one_more_call()

        await cancel_at_every_await(lambda: pool.run(...), afterwards=check)

    After each cancelled run it is required that the operation ended as cancelled, that every task started under
    it ends by itself, and that the event loop has nothing to complain about (such as an exception that
    nobody fetched).

    Args:
        operation: makes a fresh coroutine for each run; must complete when it is left alone.
        afterwards: awaited after each cancelled run; raises if a resource leaked or the next call does not work.
        moments: when to cancel, at each suspension.
        patience_s: seconds a cancelled operation, and the tasks under it, may take to end.

    Raises:
        CancellationLeak: something was left behind; it says where the operation was cancelled.
    """
    cancellations = 0
    for moment in moments:
        for point in range(1, _MOST_POINTS + 1):
            run = _Run(point, moment)
            task = await _supervise(run, operation, afterwards, patience_s)
            if task is not None:
                result = task.result()
                break
            cancellations += 1
        else:
            raise CancellationLeak(run.place, [f"the operation suspends more than {_MOST_POINTS} times"])
    return CancellationSweep(cancellations=cancellations, result=result)


async def _supervise(
    run: _Run,
    operation: Callable[[], Coroutine[Any, Any, _T]],
    afterwards: Callable[[], Awaitable[object]] | None,
    patience_s: float,
) -> asyncio.Task[_T] | None:
    """One run of the operation, and of everything under it, to the end; ``None`` if it was cancelled."""
    with _instrumented(run):
        task = run.start(operation)
        left = await run.wait_until_all_are_done(patience_s)
        problems = [f"still running after {patience_s:g} s: {each!r}" for each in left]
        for each in left:
            each.cancel()
        if not run.was_cancelled and not left:
            return task
        if task.done() and not task.cancelled():
            error = task.exception()
            problems.append(f"it raised {error!r} instead" if error else "it swallowed the cancellation and returned")
        await _check(run, afterwards)
        del task, left
        gc.collect(1)  # exceptions that nobody fetched are reported when their tasks are collected
    if problems or run.complaints:
        raise CancellationLeak(run.place, [*problems, *run.complaints])
    return None


async def _check(run: _Run, afterwards: Callable[[], Awaitable[object]] | None) -> None:
    if afterwards is None:
        return
    try:
        await afterwards()
    except Exception as error:
        error.add_note(f"after the operation was cancelled {run.place}")
        raise


# --- counting suspensions -----------------------------------------------------------------------

_current: ContextVar[_Run | None] = ContextVar("_current", default=None)
"""Inherited by every task that an operation starts, also through timers."""


@final
class _Run:
    """One run, which is to be cancelled at one point."""

    def __init__(self, point: int, moment: CancelMoment) -> None:
        self.complaints: list[str] = []
        self.was_cancelled = False
        self.place = "nowhere"
        self._point = point
        self._moment = moment
        self._suspensions = 0
        self._operation: asyncio.Task[Any] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, operation: Callable[[], Coroutine[Any, Any, _T]]) -> asyncio.Task[_T]:
        """Start the operation, in a context that marks its tasks as belonging to this run."""
        context = copy_context()
        context.run(_current.set, self)
        task = asyncio.get_running_loop().create_task(_Counted(context.run(operation), self), context=context)
        self._operation = task
        self.watch(task)
        return task

    def watch(self, task: asyncio.Task[Any]) -> None:
        """A task was started."""
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def suspended(self, work: object, awaited: object) -> None:
        """Some task of the run is about to wait for ``awaited``."""
        self._suspensions += 1
        if self._suspensions != self._point:
            return
        self.place = f"at suspension {self._point}, {self._moment.value} ({_location(work)})"
        if self._moment is CancelMoment.AFTER and isinstance(awaited, asyncio.Future):
            awaited.add_done_callback(self._cancel)  # is called before the waiting task's own callback
        else:
            self._cancel()

    async def wait_until_all_are_done(self, patience_s: float) -> list[asyncio.Task[Any]]:
        """Wait for the operation and for all tasks under it; returns those that are still running then."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_s
        while self._tasks and (remaining_s := deadline - loop.time()) > 0:
            await asyncio.wait(self._tasks, timeout=remaining_s)
        return list(self._tasks)

    def _cancel(self, _: object = None) -> None:
        if self._operation is not None:
            self.was_cancelled = self._operation.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        # Nothing of ours may keep a task, or an exception that it lost, alive.
        self._tasks.discard(task)
        if task is self._operation:
            self._operation = None


@final
class _Counted(Coroutine[Any, Any, _T]):
    """A coroutine that reports each of its suspensions to a run; in all else it is the one it wraps."""

    def __init__(self, work: Coroutine[Any, Any, _T], run: _Run) -> None:
        self._work = work
        self._run = run
        self.__qualname__ = getattr(work, "__qualname__", type(work).__name__)

    def send(self, value: Any) -> Any:
        return self._told(self._work.send(value))

    def throw(self, *error: Any) -> Any:
        return self._told(self._work.throw(*error))

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, _T]:
        raise NotImplementedError("only a task runs this")

    def _told(self, awaited: Any) -> Any:
        self._run.suspended(self._work, awaited)
        return awaited


@contextmanager
def _instrumented(run: _Run) -> Iterator[None]:
    """Count suspensions of every task that is started under a run, and hear the loop's complaints."""
    loop = asyncio.get_running_loop()
    factory, handler = loop.get_task_factory(), loop.get_exception_handler()

    def make(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> Any:
        owner = _current.get()
        work = work if owner is None else _Counted(work, owner)
        task: Any = asyncio.Task(work, loop=loop, **more) if factory is None else factory(loop, work, **more)
        if owner is not None:
            owner.watch(task)
        return task

    loop.set_task_factory(make)
    loop.set_exception_handler(lambda _, context: run.complaints.append(_told(context)))
    try:
        yield
    finally:
        loop.set_task_factory(factory)
        loop.set_exception_handler(handler)


def _told(context: dict[str, Any]) -> str:
    subject = context.get("task") or context.get("future") or context.get("handle") or ""
    return f"the event loop says: {context['message']} {context.get('exception') or ''} {subject}"


def _location(work: Any) -> str:
    """File and line at which a suspended coroutine stands, in its innermost ``await``."""
    place = "?"
    while work is not None:
        frame = getattr(work, "cr_frame", None)
        if frame is not None:
            place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        work = getattr(work, "cr_await", None)
    return place
