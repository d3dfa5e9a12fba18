from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from leanebm._background import Background, LazyBackground
from leanebm.errors import PartBroken, PoolClosed


def interrupt() -> None:
    """As Ctrl-C does."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


async def nothing() -> int:
    return 7


def held(told: list[str], *, leaving: Exception | None = None) -> Background[int]:
    @asynccontextmanager
    async def context() -> AsyncIterator[int]:
        told.append("entered")
        task = asyncio.current_task()
        try:
            yield 5
        finally:
            assert asyncio.current_task() is task, "it is left by the task that entered it"
            told.append("left")
        if leaving is not None:
            raise leaving

    return Background(context(), name="the thing")


def test_what_is_held_is_entered_called_and_left() -> None:
    told: list[str] = []
    background = held(told)
    with pytest.raises(PoolClosed, match="the thing is not open yet"):
        background.value  # noqa: B018 - asking is enough
    with pytest.raises(PoolClosed, match="the thing is not open yet"):
        background.call(nothing())
    background.start()
    assert (background.value, background.call(nothing())) == (5, 7)
    background.stop()
    background.stop()
    assert told == ["entered", "left"]
    with pytest.raises(PoolClosed, match="the thing is closed"):
        background.call(nothing())
    assert not any("the thing" in thread.name for thread in threading.enumerate())


async def test_a_running_loop_does_not_matter() -> None:
    background = held([])
    background.start()
    assert background.call(nothing()) == 7
    background.stop()


def test_what_leaving_raises_is_raised() -> None:
    background = held([], leaving=OSError("disk"))
    background.start()
    with pytest.raises(OSError, match="disk"):
        background.stop()


def test_what_entering_raises_is_raised_and_the_thread_ends() -> None:
    class Broken:
        async def __aenter__(self) -> int:
            raise OSError("no such Lean")

        async def __aexit__(self, *_: object) -> None: ...

    background = Background(Broken(), name="the thing")
    with pytest.raises(OSError, match="no such Lean"):
        background.start()
    background.stop()
    assert not any("the thing" in thread.name for thread in threading.enumerate())


def test_one_that_was_never_started_is_stopped_all_the_same() -> None:
    background = held([])
    background.release()
    background.stop()


def test_an_interrupt_of_the_caller_cancels_what_it_waits_for() -> None:
    background = held([])
    background.start()
    cancelled = threading.Event()

    async def long() -> None:
        try:
            asyncio.get_running_loop().call_later(0.05, interrupt)
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(KeyboardInterrupt):
        background.call(long())
    assert cancelled.wait(60)
    background.stop()


def test_an_interrupt_while_it_opens_stops_the_opening() -> None:
    class Slow:
        async def __aenter__(self) -> int:
            asyncio.get_running_loop().call_later(0.05, interrupt)
            await asyncio.Event().wait()
            return 1

        async def __aexit__(self, *_: object) -> None: ...

    background = Background(Slow(), name="the thing")
    with pytest.raises(KeyboardInterrupt):
        background.start()
    background.stop()
    assert not any("the thing" in thread.name for thread in threading.enumerate())


def test_an_interrupt_while_it_opens_does_not_wait_for_ever_for_what_goes_on() -> None:
    set_free = threading.Event()

    class Deaf:
        async def __aenter__(self) -> int:
            asyncio.get_running_loop().call_later(0.05, interrupt)
            while not set_free.is_set():
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    continue
            return 1

        async def __aexit__(self, *_: object) -> None: ...

    background = Background(Deaf(), name="the deaf thing")
    with pytest.raises(KeyboardInterrupt):
        background.start(ending_s=0.1)
    assert any("the deaf thing" in thread.name for thread in threading.enumerate())
    set_free.set()
    background.stop()


def test_what_goes_on_although_it_was_cancelled_is_named_and_not_waited_for_for_ever() -> None:
    set_free = threading.Event()

    async def deaf() -> None:
        while not set_free.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    async def leave_behind() -> asyncio.Task[None]:
        return asyncio.create_task(deaf())

    background = held([])
    background.start()
    background.call(leave_behind())
    with pytest.raises(
        PartBroken, match=r"the thing should have ended, but .*deaf \(.*test_background\.py, line \d+\) goes on"
    ):
        background.stop(ending_s=0.1)
    set_free.set()
    background.stop()


def test_who_is_still_waiting_when_it_is_closed_is_told_so() -> None:
    thing = held([])
    thing.start()
    waiting, told = threading.Event(), []

    async def for_ever() -> None:
        waiting.set()
        await asyncio.Event().wait()

    def ask() -> None:
        with pytest.raises(PoolClosed, match="was closed before it had answered") as closed:
            thing.call(for_ever())
        told.append(closed)

    asking = threading.Thread(target=ask)
    asking.start()
    assert waiting.wait(30)
    thing.stop()
    asking.join(30)
    assert told


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python 3.12 advises against it, because of threads
def test_a_forked_process_is_told_instead_of_waiting_for_a_thread_that_it_lacks() -> None:
    thing = held([])
    thing.start()
    child = os.fork()
    if not child:
        signal.alarm(30)
        try:
            thing.call(nothing())
        except PoolClosed:
            thing.stop()
            os._exit(7)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert thing.call(nothing()) == 7
    thing.stop()


def test_the_first_use_starts_it_once_whoever_comes_first() -> None:
    entered: list[int] = []

    @asynccontextmanager
    async def context() -> AsyncIterator[int]:
        await asyncio.sleep(0)
        entered.append(1)
        yield 5

    lazy = LazyBackground(context, name="the thing")
    assert (lazy.state, entered) == ("not started", [])
    threads = [threading.Thread(target=lazy.started) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (lazy.state, entered, lazy.started().value) == ("ready", [1], 5)
    lazy.close()
    lazy.close()
    assert lazy.state == "closed"
    with pytest.raises(PoolClosed, match="the thing is closed; make another one"):
        lazy.started()


def test_one_that_is_forgotten_ends() -> None:
    left = threading.Event()

    @asynccontextmanager
    async def context() -> AsyncIterator[None]:
        yield
        left.set()

    lazy = LazyBackground(context, name="the thing")
    lazy.started()
    del lazy
    assert left.wait(30)
