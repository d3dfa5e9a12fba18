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


async def turns() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_sequences_are_counted_and_order_is_kept() -> None:
    admission = Admission(max_running=4, max_queue=10)
    order: list[str] = []
    gates = {name: asyncio.Event() for name in "abc"}

    async def work(name: str, sequences: int) -> None:
        async with admission.admit(sequences):
            order.append(name)
            await gates[name].wait()

    async with asyncio.TaskGroup() as tasks:
        for name, sequences in (("a", 2), ("b", 3), ("c", 1)):
            tasks.create_task(work(name, sequences))
        await turns()
        assert order == ["a"]  # c would fit, but b came first
        assert (admission.running, admission.waiting) == (2, 4)
        gates["a"].set()
        await turns()
        assert order == ["a", "b", "c"]
        assert (admission.running, admission.waiting) == (4, 0)
        for gate in gates.values():
            gate.set()
    assert admission.running == 0


async def test_a_request_larger_than_all_places_runs_alone() -> None:
    admission = Admission(max_running=4, max_queue=4)
    async with admission.admit(100):
        assert admission.running == 4
        waiter = asyncio.create_task(_hold(admission, 100))
        await turns()
        assert admission.waiting == 4
        with pytest.raises(QueueFull):
            await _hold(admission, 1)
    await waiter
    assert (admission.running, admission.waiting) == (0, 0)


async def test_a_large_waiter_that_gives_up_stands_in_nobodys_way() -> None:
    admission = Admission(max_running=2, max_queue=10)
    async with admission.admit(1):
        large, small = (asyncio.create_task(_hold(admission, sequences)) for sequences in (2, 1))
        await turns()
        large.cancel()
        await small
        assert admission.running == 1
    assert (admission.running, admission.waiting) == (0, 0)


async def test_one_that_gives_up_as_it_is_let_in_returns_its_place() -> None:
    admission = Admission(max_running=1, max_queue=1)
    async with admission.admit():
        waiter = asyncio.create_task(_hold(admission, 1))
        await turns()
    waiter.cancel()  # it has been let in, and does not know yet
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert (admission.running, admission.waiting) == (0, 0)


async def _hold(admission: Admission, sequences: int) -> None:
    async with admission.admit(sequences):
        pass
