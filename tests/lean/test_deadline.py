from __future__ import annotations

import asyncio
import time

import pytest

from leanebm.lean import _deadline
from leanebm.lean._deadline import within


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
