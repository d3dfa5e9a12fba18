from __future__ import annotations

import attrs
import numpy as np
import pytest

from leanebm.energy.diagnostics import (
    CalibrationBasis,
    CalibrationConfig,
    FrontierSet,
    SiblingSet,
    fit_calibration,
)

from .planted import planted_energies, planted_frontiers, planted_groups

GROUPS = planted_groups(theorems=40)
SIBLINGS = SiblingSet.from_groups(GROUPS, planted_energies(GROUPS))


def test_units_make_every_queue_spread_by_one() -> None:
    queues = planted_frontiers()
    units = fit_calibration(SIBLINGS, queues).calibration
    assert queues.spread((queues.energy - units.energy_mean) / units.energy_sd) == pytest.approx(1.0)
    assert queues.spread(queues.policy_term(units.alpha) / units.policy_sd) == pytest.approx(1.0)
    assert queues.mean((queues.energy - units.energy_mean) / units.energy_sd) == pytest.approx(0.0, abs=1e-9)


def test_units_do_not_care_in_which_unit_the_head_speaks() -> None:
    queues = planted_frontiers()
    loud = attrs.evolve(queues, energy=queues.energy * 1000 + 7)
    one, other = fit_calibration(SIBLINGS, queues), fit_calibration(SIBLINGS, loud)
    assert one.calibration.beta == other.calibration.beta
    assert other.calibration.energy_sd == pytest.approx(1000 * one.calibration.energy_sd)


def test_noise_gets_no_weight() -> None:
    found = fit_calibration(SIBLINGS, planted_frontiers(gap=0.0))
    assert found.calibration.beta == 0.0
    assert found.basis is CalibrationBasis.FRONTIERS


def test_weight_grows_with_what_the_energy_knows() -> None:
    betas = [
        fit_calibration(SIBLINGS, planted_frontiers(gap=gap, theorems=150)).calibration.beta for gap in (0.3, 1.0, 2.5)
    ]
    assert betas == sorted(betas)
    assert betas[0] < betas[-1]


def test_the_smallest_weight_that_is_good_enough_is_taken() -> None:
    found = fit_calibration(SIBLINGS, planted_frontiers())
    by_beta = {point.beta: point for point in found.curve}
    chosen = by_beta[found.calibration.beta]
    assert chosen.shortfall_error is not None
    assert chosen.shortfall <= chosen.shortfall_error
    smaller = [point for point in found.curve if point.beta < chosen.beta]
    assert smaller
    assert all(point.shortfall > (point.shortfall_error or 0.0) for point in smaller)


def test_the_energy_helps_where_policy_and_energy_err_apart() -> None:
    found = fit_calibration(SIBLINGS, planted_frontiers())
    alone, best = found.curve[0].auc, max(found.curve, key=lambda point: point.auc.value or 0.0).auc
    assert alone.high is not None
    assert best.is_above(alone.high)


def test_the_policy_term_has_the_exponent_that_was_configured() -> None:
    queues = planted_frontiers()
    found = fit_calibration(SIBLINGS, queues, CalibrationConfig(alpha=1.0)).calibration
    assert found.alpha == 1.0
    assert found.policy_sd == pytest.approx(queues.spread(queues.path_log_prob / queues.depth))


@pytest.mark.parametrize("frontiers", [None, planted_frontiers(theorems=1)])
def test_without_queues_decision_points_stand_in_and_it_is_said(frontiers: FrontierSet | None) -> None:
    found = fit_calibration(SIBLINGS, frontiers)
    assert found.basis is CalibrationBasis.SIBLINGS
    assert "decision points" in found.notes[0]
    assert found.calibration.beta > 0.0


def test_without_the_policys_opinion_there_is_no_weight() -> None:
    silent = attrs.evolve(SIBLINGS, positive_log_prob=np.full(len(SIBLINGS), np.nan))
    found = fit_calibration(silent)
    assert (found.calibration.beta, found.curve) == (0.0, ())
    assert "unknown" in found.notes[-1]


def test_a_collapsed_head_gets_a_unit_of_one_and_no_weight() -> None:
    queues = planted_frontiers()
    found = fit_calibration(SIBLINGS, attrs.evolve(queues, energy=np.zeros_like(queues.energy)))
    assert (found.calibration.energy_sd, found.calibration.beta) == (1.0, 0.0)
    assert "does not vary" in found.notes[0]


def test_nothing_to_fit_on_is_no_trouble() -> None:
    groups = [attrs.evolve(group, negatives=()) for group in GROUPS[:2]]
    found = fit_calibration(SiblingSet.from_groups(groups, planted_energies(groups)))
    assert found.calibration.beta == 0.0
