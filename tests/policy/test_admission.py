from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.errors import PolicyUnavailable
from leanebm.policy._admission import AdaptiveLimit, CircuitBreaker
from leanebm.testing import ManualClock


async def healthy() -> bool:
    return True


async def sick() -> bool:
    return False


def make(clock: ManualClock) -> CircuitBreaker:
    return CircuitBreaker(failures=3, cooldown_s=5.0, max_cooldown_s=12.0, clock=clock)


def break_it(breaker: CircuitBreaker) -> None:
    for _ in range(3):
        breaker.record_failure()


async def test_only_failures_in_a_row_open_it() -> None:
    breaker = make(ManualClock())
    breaker.record_failure()
    breaker.record_failure()
    breaker.record_success()
    breaker.record_failure()
    await breaker.admit(sick, url="u")
    assert not breaker.is_open


async def test_cooldowns_double_up_to_their_cap() -> None:
    clock = ManualClock()
    breaker = make(clock)
    break_it(breaker)
    for cooldown_s in (5.0, 10.0, 12.0, 12.0):
        clock.advance(cooldown_s - 0.5)
        with pytest.raises(PolicyUnavailable, match="asked again"):
            await breaker.admit(healthy, url="u")
        clock.advance(0.5)
        with pytest.raises(PolicyUnavailable, match="not healthy"):
            await breaker.admit(sick, url="u")


async def test_a_healthy_probe_gives_one_chance() -> None:
    clock = ManualClock()
    breaker = make(clock)
    break_it(breaker)
    clock.advance(5.0)
    await breaker.admit(healthy, url="u")
    breaker.record_failure()
    assert breaker.is_open
    clock.advance(10.0)
    await breaker.admit(healthy, url="u")
    breaker.record_success()
    breaker.record_failure()
    breaker.record_failure()
    assert not breaker.is_open


async def test_only_one_caller_probes() -> None:
    clock = ManualClock()
    breaker = make(clock)
    break_it(breaker)
    clock.advance(5.0)
    answer = asyncio.get_running_loop().create_future()

    async def slow() -> bool:
        return bool(await answer)

    first = asyncio.create_task(breaker.admit(slow, url="u"))
    await asyncio.sleep(0)
    with pytest.raises(PolicyUnavailable):
        await breaker.admit(healthy, url="u")
    answer.set_result(True)
    await first
    assert not breaker.is_open


async def test_room_is_given_in_order_of_arrival() -> None:
    limit = AdaptiveLimit(4)
    order: list[str] = []

    async def work(name: str, weight: int) -> None:
        async with limit.hold(weight):
            order.append(name)

    async with limit.hold(3):
        heavy = asyncio.create_task(work("heavy", 4))
        light = asyncio.create_task(work("light", 1))
        await asyncio.sleep(0)
        assert (order, limit.waiting) == ([], 2)
    await asyncio.gather(heavy, light)
    assert order == ["heavy", "light"]


async def test_a_request_heavier_than_the_limit_goes_out_alone() -> None:
    limit = AdaptiveLimit(2)
    async with limit.hold(100):
        assert limit.in_flight == 100
    assert limit.in_flight == 0


async def test_congestion_halves_once_for_all_that_were_out() -> None:
    limit = AdaptiveLimit(64)
    async with limit.hold(1) as first, limit.hold(1) as second:
        limit.report_congestion(first)
        limit.report_congestion(second)
        assert limit.limit == 32
        async with limit.hold(1) as third:
            limit.report_congestion(third)
    assert limit.limit == 16


def test_successes_win_the_room_back_but_no_more() -> None:
    limit = AdaptiveLimit(8)
    limit.report_congestion(0)
    for _ in range(100):
        limit.report_success(2)
    assert limit.limit == 8


async def test_a_cancelled_waiter_leaves_the_queue() -> None:
    limit = AdaptiveLimit(1)

    async def work() -> None:
        async with limit.hold(1):
            pass

    async with limit.hold(1):
        waiter = asyncio.create_task(work())
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert limit.waiting == 0
    assert limit.in_flight == 0


async def test_a_waiter_cancelled_in_the_moment_it_is_let_in_gives_its_room_back() -> None:
    limit = AdaptiveLimit(1)

    async def work() -> None:
        async with limit.hold(1):
            raise AssertionError("it was cancelled before")

    async with limit.hold(1):
        waiter = asyncio.create_task(work())
        await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert limit.in_flight == 0
    async with limit.hold(1):
        assert limit.in_flight == 1


@given(st.lists(st.one_of(st.just(0), st.integers(1, 40)), max_size=200))
def test_the_limit_stays_within_its_bounds(events: list[int]) -> None:
    limit = AdaptiveLimit(16)
    round_ = 0
    for weight in events:
        if weight:
            limit.report_success(weight)
        else:
            limit.report_congestion(round_)
            round_ += 1
        assert 1 <= limit.limit <= 16


async def test_holder_and_waiter_may_be_cancelled_together() -> None:
    limit = AdaptiveLimit(1)

    async def hold() -> None:
        async with limit.hold(1):
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(hold()) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (limit.in_flight, limit.waiting) == (1, 2)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    assert (limit.in_flight, limit.waiting) == (0, 0)
