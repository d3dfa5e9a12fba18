from __future__ import annotations

import attrs
import numpy as np
import pytest

from leanebm.energy.diagnostics import (
    SiblingSet,
    fit_calibration,
    measure_frontiers,
    measure_probabilities,
    measure_siblings,
    queue_std_ratio,
)

from .planted import planted_energies, planted_frontiers, planted_groups

GROUPS = planted_groups()
SIBLINGS = SiblingSet.from_groups(GROUPS, planted_energies(GROUPS))
QUEUES = planted_frontiers()
UNITS = fit_calibration(SIBLINGS, QUEUES).calibration


def test_queues_are_ordered_by_each_and_by_both() -> None:
    found = measure_frontiers(QUEUES, UNITS)
    energy, policy, both = (found[f"auc_frontier{name}"].value for name in ("", "_policy", "_sum"))
    assert energy == pytest.approx(0.855, abs=0.04)  # Φ(1.5/√2), as planted
    assert policy == pytest.approx(0.76, abs=0.05)  # Φ(0.8/0.8/√2)
    assert energy is not None
    assert policy is not None
    assert both is not None
    assert both > max(energy, policy)


def test_without_weight_both_are_the_policy_alone() -> None:
    found = measure_frontiers(QUEUES, attrs.evolve(UNITS, beta=0.0))
    assert found["auc_frontier_sum"] == found["auc_frontier_policy"]
    siblings = measure_siblings(SIBLINGS, attrs.evolve(UNITS, beta=0.0))
    assert siblings["rank1_sum"] == siblings["rank1_policy"]


def test_a_policy_that_knows_the_step_ranks_it_first() -> None:
    knowing = attrs.evolve(SIBLINGS, positive_log_prob=np.full(len(SIBLINGS), -0.001))
    assert measure_siblings(knowing, UNITS)["rank1_policy"].value == 1.0


def test_energy_and_policy_are_compared_where_both_speak() -> None:
    known = np.arange(len(SIBLINGS)) % 2 == 0
    half = attrs.evolve(SIBLINGS, positive_log_prob=np.where(known, -1.0, np.nan))
    found = measure_siblings(half, UNITS)
    part = SIBLINGS.take(np.flatnonzero(known))
    assert found["rank1_energy_where_policy"] == measure_siblings(part, UNITS)["rank1_sibling"]
    silent = attrs.evolve(SIBLINGS, positive_log_prob=np.full(len(SIBLINGS), np.nan))
    assert "rank1_policy" not in measure_siblings(silent, UNITS)


def test_units_that_no_longer_fit_show_by_how_much() -> None:
    assert queue_std_ratio(QUEUES, UNITS).value == pytest.approx(1.0)
    assert queue_std_ratio(attrs.evolve(QUEUES, energy=5 * QUEUES.energy), UNITS).value == pytest.approx(5.0)
    assert queue_std_ratio(attrs.evolve(QUEUES, path_log_prob=4 * QUEUES.path_log_prob), UNITS).value == pytest.approx(
        0.25
    )


def test_chances_that_know_something_beat_the_base_rate() -> None:
    found, bins = measure_probabilities(QUEUES, UNITS)
    assert found["brier_skill"].value is not None
    assert found["brier_skill"].value > 0.05
    assert bins[-1].observed > bins[0].observed
    assert {name for name in found if name.startswith("ece_depth_")} == {
        f"ece_depth_{d}" for d in ("0–1", "2–3", "4–7", "8+")
    }
