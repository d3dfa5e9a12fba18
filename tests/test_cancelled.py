from __future__ import annotations

import asyncio
import threading

import pytest

from leanebm._cancelled import GivenUpError, check_wanted, in_thread, uninterrupted


async def test_what_is_made_comes_back() -> None:
    def work() -> int:
        check_wanted()
        return 7

    check_wanted()
    assert await in_thread(work) == 7


@pytest.mark.parametrize("to_its_end", [False, True])
async def test_a_thread_learns_that_nobody_waits_for_it_and_the_next_one_does_not(to_its_end: bool) -> None:
    began, ended = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        try:
            while True:
                check_wanted()
        except GivenUpError:
            ended.set()
            raise

    waiting = asyncio.ensure_future(in_thread(work, to_its_end=to_its_end))
    await asyncio.to_thread(began.wait)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set() or not to_its_end
    await asyncio.to_thread(ended.wait)
    await in_thread(check_wanted)


async def test_uninterrupted_work_is_finished_before_the_cancellation_is_raised() -> None:
    done = []
    may_end = asyncio.Event()

    async def work() -> None:
        await may_end.wait()
        done.append("done")

    task = asyncio.ensure_future(uninterrupted(work()))
    await asyncio.sleep(0)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["done"]


async def test_uninterrupted_work_may_fail() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await uninterrupted(fail())
