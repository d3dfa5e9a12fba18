from __future__ import annotations

import asyncio
import threading

import pytest

from leanebm.serve.backends.hf._model_thread import ModelThread


async def test_calls_run_one_after_another_in_one_other_thread() -> None:
    async with ModelThread() as thread:
        idents = await asyncio.gather(*(thread.call(threading.get_ident) for _ in range(5)))
    assert len(set(idents)) == 1
    assert threading.get_ident() not in idents


async def test_exceptions_come_back() -> None:
    async with ModelThread() as thread:
        with pytest.raises(ZeroDivisionError):
            await thread.call(lambda: 1 / 0)
        assert await thread.call(pow, 2, 3) == 8


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancelled_call_ends_when_its_function_does(*, fails: bool) -> None:
    started, may_end = threading.Event(), threading.Event()
    ended = False

    def work() -> None:
        nonlocal ended
        started.set()
        may_end.wait()
        ended = True
        if fails:
            raise ValueError("too late to matter")

    async with ModelThread() as thread:
        call = asyncio.create_task(thread.call(work))
        await asyncio.to_thread(started.wait)
        call.cancel()
        await asyncio.sleep(0)
        assert not call.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert ended
