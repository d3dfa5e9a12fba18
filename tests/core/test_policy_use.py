from __future__ import annotations

import asyncio

from leanebm.core import PolicyUse


async def test_each_search_hears_of_its_own_questions_in_whatever_task_they_are_answered() -> None:
    uses = [PolicyUse() for _ in range(3)]
    asked = asyncio.Event()

    async def answer(seconds: float) -> None:
        await asked.wait()
        PolicyUse.current().waited_s += seconds
        PolicyUse.current().weights.add(f"w{seconds:g}")

    async def search(number: int) -> None:
        with uses[number].noted():
            await asyncio.gather(answer(number), answer(10.0))

    searches = [asyncio.create_task(search(number)) for number in range(3)]
    await asyncio.sleep(0)
    asked.set()
    await asyncio.gather(*searches)
    assert [use.waited_s for use in uses] == [10.0, 11.0, 12.0]
    assert uses[1].weights == {"w1", "w10"}


def test_what_nobody_asked_for_is_heard_by_nobody() -> None:
    PolicyUse.current().waited_s += 1.0
    use, inner = PolicyUse(), PolicyUse()
    with use.noted():
        with inner.noted():
            PolicyUse.current().waited_s += 2.0
        PolicyUse.current().waited_s += 3.0
    assert PolicyUse.current() == PolicyUse()
    assert (use.waited_s, inner.waited_s) == (3.0, 2.0)
