from __future__ import annotations

import pytest

from leanebm.pipeline._pulse import lease_in, pulse


@pytest.mark.parametrize("lease_s", [0.001, 1.5, 120.0, 1e6, 86_400.0])
def test_a_beat_says_the_lease_of_who_beats(lease_s: float) -> None:
    assert lease_in(pulse(7, lease_s), 3.0) == lease_s
    assert pulse(7, lease_s) != pulse(8, lease_s)


@pytest.mark.parametrize("lease_s", [1e-9, 1e300, float("inf")])
def test_a_lease_beyond_all_measure_is_still_one(lease_s: float) -> None:
    assert lease_in(pulse(1, lease_s), 3.0) in (0.001, 1e9)


@pytest.mark.parametrize("beat", ["", "7", "7-", "-7", "7-x", "7-1.5", "7-٣", "7-" + "9" * 14, "\0\0"])
def test_what_says_no_lease_is_judged_by_ones_own(beat: str) -> None:
    assert lease_in(beat, 3.0) == 3.0
