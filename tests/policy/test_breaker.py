from __future__ import annotations

import asyncio

import pytest

from leanebm.errors import PolicyUnavailable
from leanebm.policy._breaker import CircuitBreaker
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
