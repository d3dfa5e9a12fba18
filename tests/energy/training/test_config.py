from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.energy.training import EnergyTrainerConfig, ObjectiveConfig


def test_the_learning_rate_rises_in_a_line_and_falls_in_half_a_cosine() -> None:
    config = EnergyTrainerConfig(learning_rate=2.0, warmup_fraction=0.1)

    rates = [config.learning_rate_at(step, 1000) for step in (1, 50, 100, 550, 1000)]
    assert rates == pytest.approx([0.02, 1.0, 2.0, 1.0, 0.0])


@given(max_steps=st.integers(1, 300), warmup=st.floats(0.0, 0.99))
def test_the_learning_rate_stays_between_nothing_and_its_height(max_steps: int, warmup: float) -> None:
    config = EnergyTrainerConfig(learning_rate=0.1, warmup_fraction=warmup)

    assert all(0.0 <= config.learning_rate_at(step, max_steps) <= 0.1 for step in range(1, max_steps + 1))


def test_steps_scale_with_the_data_unless_they_are_given() -> None:
    config = EnergyTrainerConfig()
    assert [config.steps_for(groups) for groups in (1, 320, 1600, 1601, 9000, 10**6)] == [
        500, 500, 2500, 2600, 14100, 20_000
    ]  # fmt: skip
    assert EnergyTrainerConfig(max_steps=7).steps_for(10**6) == 7


def test_validation_is_looked_at_forty_times_unless_that_is_too_often() -> None:
    config = EnergyTrainerConfig()
    assert [config.eval_every_of(steps) for steps in (20_000, 2000, 500, 10)] == [500, 50, 25, 25]
    assert EnergyTrainerConfig(eval_every=3).eval_every_of(20_000) == 3


@pytest.mark.parametrize(
    "settings",
    [
        {"max_steps": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("inf")},
        {"weight_decay": float("inf")},
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


@pytest.mark.parametrize(
    "settings", [{"label_smoothing": 0.5}, {"margin": 2.0}, {"temperature": 0.0}, {"path_weight": float("inf")}]
)
def test_terms_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        ObjectiveConfig(**settings)
