from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from cancellation import CancellationLeak, CancelMoment, cancel_at_every_await


async def nap() -> None:
    await asyncio.sleep(0)


async def test_an_operation_is_cancelled_at_each_of_its_suspensions() -> None:
    reached: list[int] = []

    async def three_steps() -> str:
        for step in range(3):
            reached.append(step)
            await nap()
        return "done"

    sweep = await cancel_at_every_await(three_steps, moments=[CancelMoment.BEFORE])
    assert sweep.cancellations == 3
    assert sweep.result == "done"
    assert reached == [0, 0, 1, 0, 1, 2, 0, 1, 2]


async def test_suspensions_of_tasks_under_it_count_too() -> None:
    async def child() -> None:
        await nap()
        await nap()

    async def parent() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(child())

    sweep = await cancel_at_every_await(parent, moments=[CancelMoment.BEFORE])
    assert sweep.cancellations == 3


async def test_a_permit_handed_over_in_the_same_breath_is_missed_by_the_first_moment_only() -> None:
    permits = 1

    async def careless() -> None:
        nonlocal permits
        turn = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(hand_over, turn)
        await turn
        permits += 1

    def hand_over(turn: asyncio.Future[None]) -> None:
        nonlocal permits
        if not turn.cancelled():
            permits -= 1
            turn.set_result(None)

    async def check() -> None:
        assert permits == 1

    await cancel_at_every_await(careless, afterwards=check, moments=[CancelMoment.BEFORE])
    with pytest.raises(AssertionError) as caught:
        await cancel_at_every_await(careless, afterwards=check, moments=[CancelMoment.AFTER])
    assert "test_cancellation.py" in caught.value.__notes__[0]


async def _swallows() -> None:
    try:
        await nap()
    except asyncio.CancelledError:
        return


async def _mistranslates() -> None:
    try:
        await nap()
    except asyncio.CancelledError:
        raise RuntimeError("oops") from None


_abandoned: set[asyncio.Task[None]] = set()


async def _abandons_a_task() -> None:
    _abandoned.add(asyncio.create_task(asyncio.sleep(3600)))
    await nap()


async def _loses_an_exception() -> None:
    async def fail() -> None:
        raise ValueError("nobody looks")

    task = asyncio.create_task(fail())
    await nap()
    await task


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (_swallows, "swallowed the cancellation"),
        (_mistranslates, "raised RuntimeError"),
        (_abandons_a_task, "still running"),
        (_loses_an_exception, "never retrieved"),
    ],
)
async def test_what_is_left_behind_is_told(operation: Callable[[], Awaitable[None]], said: str) -> None:
    with pytest.raises(CancellationLeak, match=said) as caught:
        await cancel_at_every_await(operation, patience_s=0.01)  # type: ignore[arg-type]
    assert "at suspension 1" in str(caught.value)
    assert len(caught.value.problems) == 1


async def test_a_failure_that_is_not_a_cancellation_is_the_operations_own() -> None:
    async def fails() -> None:
        await nap()
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await cancel_at_every_await(fails)


async def test_the_loop_is_left_as_it_was() -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory(), loop.get_exception_handler()
    await cancel_at_every_await(nap)
    assert (loop.get_task_factory(), loop.get_exception_handler()) == before
