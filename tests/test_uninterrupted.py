from __future__ import annotations

import asyncio

import pytest

from leanebm._uninterrupted import uninterrupted


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
