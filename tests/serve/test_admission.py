from __future__ import annotations

import asyncio

import pytest

from leanebm.serve._admission import Admission, QueueFull


async def test_so_many_run_so_many_wait_and_one_more_is_turned_away() -> None:
    admission = Admission(max_running=1, max_queue=1)
    done = asyncio.Event()

    async def work() -> None:
        async with admission.admit():
            await done.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(work())
        tasks.create_task(work())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (admission.running, admission.waiting) == (1, 1)
        with pytest.raises(QueueFull):
            await work()
        done.set()
    assert (admission.running, admission.waiting) == (0, 0)


async def test_without_a_queue_a_free_slot_still_lets_in() -> None:
    admission = Admission(max_running=1, max_queue=0)
    async with admission.admit():
        with pytest.raises(QueueFull):
            async with admission.admit():
                pass
    async with admission.admit():
        assert admission.running == 1


async def test_a_cancelled_waiter_leaves_no_trace() -> None:
    admission = Admission(max_running=1, max_queue=1)

    async def work() -> None:
        async with admission.admit():
            raise AssertionError("it never gets in")

    async with admission.admit():
        waiter = asyncio.create_task(work())
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert admission.waiting == 0
