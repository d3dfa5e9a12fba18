from __future__ import annotations

import asyncio

import pytest

from leanebm.errors import PartBroken
from leanebm.pipeline._concurrently import for_each


@pytest.mark.parametrize(("num_items", "concurrency", "largest"), [(7, 3, 3), (2, 5, 2), (4, 1, 1), (0, 3, 0)])
async def test_everything_is_done_once_and_no_more_at_a_time_than_asked(
    num_items: int, concurrency: int, largest: int
) -> None:
    now = peak = 0
    done: list[int] = []

    async def work(item: int) -> int:
        nonlocal now, peak
        now += 1
        peak = max(peak, now)
        for _ in range(num_items - item):  # the first item takes longest
            await asyncio.sleep(0)
        now -= 1
        done.append(item)
        return 2 * item

    assert await for_each(range(num_items), work, concurrency=concurrency) == tuple(range(0, 2 * num_items, 2))
    assert sorted(done) == list(range(num_items))
    assert peak == largest


async def test_the_first_failure_stops_the_others_and_is_what_is_raised() -> None:
    stopped: list[int] = []

    async def work(item: int) -> None:
        if item == 1:
            raise KeyError("one")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(item)
            raise

    with pytest.raises(KeyError, match="one"):
        await for_each(range(9), work, concurrency=3)
    assert sorted(stopped) == [0, 2]


async def test_work_that_is_cancelled_from_within_is_named_and_the_rest_is_done() -> None:
    done: list[int] = []

    async def work(item: int) -> None:
        if item == 1:
            raise asyncio.CancelledError
        done.append(item)

    with pytest.raises(PartBroken, match="item 2 of 5 was cancelled from within"):
        await for_each(range(5), work, concurrency=2)
    assert sorted(done) == [0, 2, 3, 4]
