from __future__ import annotations

import attrs
import numpy as np
import pytest

from leanebm.energy.diagnostics import (
    Estimate,
    FrontierSet,
    brier_skill,
    depth_bucket,
    expected_calibration_error,
    held_out_probabilities,
    platt,
    reliability,
)

from .planted import planted_frontiers


def queues_labelled_by(slope: float, intercept: float, *, theorems: int = 200) -> FrontierSet:
    """Nodes whose labels are drawn with the chance that ``σ(−(slope·E + intercept))`` says."""
    queues, rng = planted_frontiers(theorems=theorems), np.random.default_rng(0)
    energy = rng.normal(-1.0, 1.0, size=len(queues.energy))
    chance = 1 / (1 + np.exp(slope * energy + intercept))
    return attrs.evolve(queues, energy=energy, is_on_path=rng.random(len(energy)) < chance)


def test_platt_finds_the_slope_and_intercept_that_drew_the_labels() -> None:
    queues = queues_labelled_by(1.3, 0.7)
    slope, intercept = platt(queues, queues.energy)
    assert slope == pytest.approx(1.3, abs=0.15)
    assert intercept == pytest.approx(0.7, abs=0.15)


def test_platt_without_both_labels_is_flat() -> None:
    queues = attrs.evolve(planted_frontiers(theorems=3), is_on_path=np.zeros(len(planted_frontiers(theorems=3).energy)))
    assert platt(queues, queues.energy) == (0.0, 0.0)


def test_true_chances_are_calibrated() -> None:
    queues = queues_labelled_by(1.3, 0.7)
    chances = held_out_probabilities(queues, queues.energy)
    bins = reliability(chances, queues.is_on_path, queues.node_weight)
    error = expected_calibration_error(bins).value
    assert error is not None
    assert error < 0.03
    assert sum(each.weight for each in bins) == pytest.approx(1.0)
    assert [each.predicted for each in bins] == sorted(each.predicted for each in bins)


def test_boasting_is_not() -> None:
    label, weight = np.arange(1000) % 10 == 0, np.full(1000, 1e-3)
    error = expected_calibration_error(reliability(np.full(1000, 0.6), label, weight))
    assert error.value == pytest.approx(0.5)


def test_brier_skill_is_nought_for_the_base_rate_and_one_for_the_truth() -> None:
    label, weight = np.arange(1000) % 10 == 0, np.ones(1000)
    assert brier_skill(np.full(1000, 0.1), label, weight)[1].value == pytest.approx(0.0)
    assert brier_skill(label.astype(float), label, weight)[1].value == pytest.approx(1.0)
    assert brier_skill(1.0 - label, label, weight)[1].value == pytest.approx(-10.1, abs=0.1)


def test_nothing_known_is_nothing_measured() -> None:
    unknown = np.full(3, np.nan)
    assert reliability(unknown, [True, False, True], np.ones(3)) == ()
    assert expected_calibration_error(()) == Estimate.nothing()
    assert brier_skill(unknown, [True, False, True], np.ones(3)) == (Estimate.nothing(), Estimate.nothing())


def test_depths_fall_into_buckets() -> None:
    assert depth_bucket([0, 1, 2, 3, 4, 7, 8, 30]).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
