from __future__ import annotations

import asyncio
import contextlib

import pytest
from cancellation import cancel_at_every_await

from leanebm.lean._tasks import serving


async def _serve(ended: list[str], *, ends_s: float | None = None) -> None:
    """Wait to be cancelled; ``ends_s`` is how long the end takes, if it waits at all."""
    try:
        await asyncio.Event().wait()
    finally:
        if ends_s is not None:
            await asyncio.sleep(ends_s)
        ended.append("ended")


async def test_servants_end_with_the_block() -> None:
    ended: list[str] = []
    async with serving() as servants:
        servants.start(_serve(ended), "servant")
        await asyncio.sleep(0)
    assert ended == ["ended"]


async def test_the_blocks_own_exception_is_raised_as_it_is() -> None:
    ended: list[str] = []

    async def block() -> None:
        async with serving() as servants:
            servants.start(_serve(ended), "servant")
            await asyncio.sleep(0)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await block()
    assert ended == ["ended"]


async def test_a_cancelled_block_ends_its_servants_and_stays_cancelled() -> None:
    ended: list[str] = []

    async def block() -> None:
        async with serving() as servants:
            servants.start(_serve(ended), "servant")
            await asyncio.Event().wait()

    task = asyncio.ensure_future(block())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["ended"]


async def test_a_servant_that_raises_lets_the_others_end_as_they_do() -> None:
    ended: list[str] = []

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("a defect")

    async def block() -> None:
        async with serving() as servants:
            servants.start(_serve(ended, ends_s=0.01), "servant")
            servants.start(fail(), "defect")
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await block()
    assert caught.group_contains(ValueError, match="a defect")
    assert ended == ["ended"]


async def test_a_cancellation_that_comes_while_servants_end_is_raised() -> None:
    async def block() -> None:
        async with serving() as servants:
            servants.start(_serve(ended, ends_s=0.0), "servant")
            await asyncio.sleep(0)

    async def check() -> None:
        assert ended.pop() == "ended"

    ended: list[str] = []
    assert (await cancel_at_every_await(block, afterwards=check)).cancellations > 4


@pytest.mark.parametrize("turns", range(6))
async def test_a_servant_whose_own_timeout_expires_as_the_block_ends_does_not_go_on(turns: int) -> None:
    async def look_again_and_again() -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.0):
                    await asyncio.Event().wait()

    async with serving() as servants:
        servants.start(look_again_and_again(), "servant")
        for _ in range(turns):
            await asyncio.sleep(0)


async def test_a_servant_is_cancelled_once() -> None:
    ended: list[str] = []
    async with serving() as servants:
        dismiss = servants.start(_serve(ended, ends_s=0.0), "servant")
        await asyncio.sleep(0)
        dismiss()
        await asyncio.sleep(0)
        dismiss()
    assert ended == ["ended"]


async def test_a_servant_that_raises_ends_the_block() -> None:
    async def fail() -> None:
        raise RuntimeError("defect")

    async def block() -> None:
        async with serving() as servants:
            servants.start(fail(), "servant")
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await block()
    assert caught.group_contains(RuntimeError, match="defect")
