from __future__ import annotations

import math

import attrs
import pytest

from leanebm.energy.checkpoint_header import Calibration

CALIBRATION = Calibration(
    energy_mean=2.0, energy_sd=0.5, policy_sd=1.5, alpha=0.5, beta=1.0, platt_slope=1.2, platt_intercept=0.3
)


def test_energies_are_told_in_standard_units() -> None:
    assert CALIBRATION.standardise(2.0) == 0.0
    assert CALIBRATION.standardise(3.0) == 2.0


def test_chances_are_logistic_in_standard_units() -> None:
    expected = 1.0 / (1.0 + math.exp(1.2 * 2.0 + 0.3))
    assert CALIBRATION.probability(3.0) == pytest.approx(expected)
    assert CALIBRATION.probability(2.0) > CALIBRATION.probability(3.0)


@pytest.mark.parametrize("energy", [-1e6, 1e6])
def test_chances_stay_chances_far_out(energy: float) -> None:
    assert 0.0 <= CALIBRATION.probability(energy) <= 1.0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("energy_sd", 0.0),
        ("policy_sd", -1.0),
        ("alpha", -0.1),
        ("beta", -0.1),
        ("energy_mean", math.nan),
        ("platt_slope", math.inf),
    ],
)
def test_impossible_units_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        attrs.evolve(CALIBRATION, **{field: value})
