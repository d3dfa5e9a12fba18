from __future__ import annotations

import asyncio
import time

import pytest

from leanebm._uninterrupted import uninterrupted
from leanebm.lean import _tasks as _deadline
from leanebm.lean._tasks import TaskScope, within
from leanebm.testing import cancel_at_every_await


async def _serve(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("ended")


async def test_servants_end_with_the_block() -> None:
    ended: list[str] = []
    async with TaskScope() as tasks:
        tasks.create_task(_serve(ended))
        await asyncio.sleep(0)
    assert ended == ["ended"]


async def test_the_blocks_own_exception_is_raised_as_it_is() -> None:
    ended: list[str] = []

    async def block() -> None:
        async with TaskScope() as tasks:
            tasks.create_task(_serve(ended))
            await asyncio.sleep(0)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await block()
    assert ended == ["ended"]


async def test_a_cancelled_block_ends_its_servants_and_stays_cancelled() -> None:
    ended: list[str] = []

    async def block() -> None:
        async with TaskScope() as tasks:
            tasks.create_task(_serve(ended))
            await asyncio.Event().wait()

    task = asyncio.ensure_future(block())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["ended"]


async def test_a_cancellation_that_comes_while_servants_end_is_raised() -> None:
    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("ended")

    async def block() -> None:
        async with TaskScope() as tasks:
            tasks.create_task(linger())
            await asyncio.sleep(0)

    async def check() -> None:
        assert ended.pop() == "ended"

    ended: list[str] = []
    assert (await cancel_at_every_await(block, afterwards=check)).cancellations > 4


async def test_a_servant_that_raises_ends_the_block() -> None:
    async def fail() -> None:
        raise RuntimeError("defect")

    async def block() -> None:
        async with TaskScope() as tasks:
            tasks.create_task(fail())
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await block()
    assert caught.group_contains(RuntimeError, match="defect")


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


async def test_what_comes_in_time_is_returned() -> None:
    async def attempt() -> str:
        await asyncio.sleep(0)
        return "there"

    assert await within(20, attempt) == "there"


async def test_what_does_not_come_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        await within(0.01, asyncio.Event().wait)


@pytest.mark.parametrize("comes", [True, False])
async def test_time_through_which_we_stood_still_does_not_count(comes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_deadline, "_STANDSTILL_S", 0.1)
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    calls = 0

    def stand_still() -> None:
        time.sleep(0.3)  # for the event loop this is what being stopped looks like
        if comes:  # but it is heard of only after the deadline
            loop.call_soon(loop.call_soon, loop.call_soon, arrived.set)

    async def attempt() -> bool:
        nonlocal calls
        calls += 1
        return await arrived.wait()

    loop.call_soon(stand_still)
    if comes:
        assert await within(0.1, attempt)
    else:
        with pytest.raises(TimeoutError):
            await within(0.1, attempt)
    assert calls == 2
