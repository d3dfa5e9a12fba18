from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.serve._weight_lock import WeightLock


async def turns(count: int = 20) -> None:
    """Let every task that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


class Holder:
    """Holds the lock, as a request or as a change, until it is told to let go."""

    def __init__(self, lock: WeightLock, *, is_change: bool) -> None:
        self._enter = lock.change if is_change else lock.request
        self._may_end = asyncio.Event()
        self.is_in = False
        self.is_change = is_change
        self.task = asyncio.create_task(self._hold())

    async def _hold(self) -> None:
        async with self._enter():
            self.is_in = True
            try:
                await self._may_end.wait()
            finally:
                self.is_in = False

    async def end(self) -> None:
        self._may_end.set()
        await self.task

    async def cancel(self) -> None:
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.task


async def test_requests_run_together_and_a_change_alone() -> None:
    lock = WeightLock()
    requests = [Holder(lock, is_change=False) for _ in range(2)]
    await turns()
    change = Holder(lock, is_change=True)
    await turns()
    late = Holder(lock, is_change=False)
    await turns()
    assert [holder.is_in for holder in (*requests, change, late)] == [True, True, False, False]
    assert (lock.waiting, lock.changes) == (1, 1)
    for request in requests:
        await request.end()
    await turns()
    assert (change.is_in, late.is_in) == (True, False)
    await change.end()
    await turns()
    assert late.is_in
    assert (lock.waiting, lock.changes) == (0, 0)
    await late.end()


async def test_changes_run_one_after_another() -> None:
    lock = WeightLock()
    first, second = Holder(lock, is_change=True), Holder(lock, is_change=True)
    await turns()
    assert (first.is_in, second.is_in) == (True, False)
    await first.end()
    await turns()
    assert second.is_in
    await second.end()


async def test_a_change_that_gives_up_lets_requests_in_again() -> None:
    lock = WeightLock()
    request = Holder(lock, is_change=False)
    await turns()
    change = Holder(lock, is_change=True)
    await turns()
    late = Holder(lock, is_change=False)
    await turns()
    await change.cancel()
    await turns()
    assert late.is_in
    await asyncio.gather(request.end(), late.end())


@given(
    script=st.lists(st.tuples(st.sampled_from(["request", "change", "end", "cancel"]), st.integers(0, 9)), max_size=25)
)
def test_whatever_comes_and_goes_nothing_shares_with_a_change_and_nobody_is_forgotten(
    script: list[tuple[str, int]],
) -> None:
    async def play() -> None:
        lock = WeightLock()
        holders: list[Holder] = []
        moves: dict[str, Callable[[], None]] = {
            "request": lambda: holders.append(Holder(lock, is_change=False)),
            "change": lambda: holders.append(Holder(lock, is_change=True)),
        }
        for what, which in script:
            if what in moves:
                moves[what]()
            elif holders:
                holder = holders.pop(which % len(holders))
                if what == "end" and holder.is_in:
                    await holder.end()
                else:
                    await holder.cancel()
            await turns()
            inside = [holder for holder in holders if holder.is_in]
            assert len(inside) <= 1 or not any(holder.is_change for holder in inside)
            assert inside or not holders
        for holder in holders:
            holder.task.cancel()
        await asyncio.gather(*(holder.task for holder in holders), return_exceptions=True)
        assert (lock.waiting, lock.changes) == (0, 0)

    asyncio.run(play())
