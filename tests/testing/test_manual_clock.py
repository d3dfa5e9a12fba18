from __future__ import annotations

import pytest

from leanebm.testing import ManualClock


def test_it_moves_only_when_it_is_told_to() -> None:
    clock = ManualClock(now_s=2.0)
    assert (clock(), clock()) == (2.0, 2.0)
    clock.advance(0.5)
    assert clock() == 2.5


def test_it_may_tick_at_each_reading() -> None:
    clock = ManualClock(step_s=0.25)
    assert [clock() for _ in range(3)] == [0.0, 0.25, 0.5]


def test_it_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="does not go back"):
        ManualClock().advance(-1.0)
    with pytest.raises(ValueError, match="step_s"):
        ManualClock(step_s=-1.0)
