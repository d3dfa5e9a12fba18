from __future__ import annotations

import math

import attrs
import pytest

from leanebm.energy.checkpoint_header import Calibration

CALIBRATION = Calibration(energy_mean=2.0, energy_sd=0.5, policy_sd=1.5, alpha=0.5, beta=1.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("energy_sd", 0.0), ("policy_sd", -1.0), ("alpha", -0.1), ("beta", -0.1), ("energy_mean", math.nan)],
)
def test_impossible_units_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        attrs.evolve(CALIBRATION, **{field: value})
