from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.energy.training import EnergyTrainerConfig, ObjectiveConfig


def test_the_learning_rate_rises_in_a_line_and_falls_in_half_a_cosine() -> None:
    config = EnergyTrainerConfig(max_steps=1000, learning_rate=2.0, warmup_fraction=0.1)

    rates = [config.learning_rate_at(step) for step in (1, 50, 100, 550, 1000)]
    assert rates == pytest.approx([0.02, 1.0, 2.0, 1.0, 0.0])


@given(max_steps=st.integers(1, 300), warmup=st.floats(0.0, 0.99))
def test_the_learning_rate_stays_between_nothing_and_its_height(max_steps: int, warmup: float) -> None:
    config = EnergyTrainerConfig(max_steps=max_steps, learning_rate=0.1, warmup_fraction=warmup)

    assert all(0.0 <= config.learning_rate_at(step) <= 0.1 for step in range(1, max_steps + 1))


@pytest.mark.parametrize(
    "settings",
    [
        {"max_steps": 0},
        {"learning_rate": 0.0},
        {"warmup_fraction": 1.0},
        {"grad_clip": 0.0},
        {"eval_every": 0},
        {"patience": 0},
        {"max_skipped": -1},
        {"seed": -1},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        EnergyTrainerConfig(**settings)


@pytest.mark.parametrize("settings", [{"label_smoothing": 0.5}, {"margin": 2.0}, {"temperature": 0.0}])
def test_terms_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        ObjectiveConfig(**settings)
