from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.energy import Calibration
from leanebm.energy.diagnostics import FrontierSet, SiblingSet, sibling_pairwise

from .planted import planted_energies, planted_groups

Queue = tuple[str, list[float], list[float]]
"""A theorem, energies on its path and energies off it."""


def laid_out(queues: Sequence[Queue]) -> FrontierSet:
    energies = [energy for _, on, off in queues for energy in (*on, *off)]
    return FrontierSet(
        theorem=[theorem for theorem, _, _ in queues],
        size=[len(on) + len(off) for _, on, off in queues],
        energy=energies,
        path_log_prob=[-energy for energy in energies],
        depth=[1] * len(energies),
        is_on_path=[label for _, on, off in queues for label in [True] * len(on) + [False] * len(off)],
        shape=np.zeros((len(energies), 3)),
    )


def test_a_queue_is_as_good_as_the_share_of_nodes_that_the_path_comes_before() -> None:
    queues = laid_out([("a", [1.0], [0.0, 2.0, 3.0, 4.0]), ("b", [5.0], []), ("b", [], [1.0])])
    accuracy = queues.path_accuracy(queues.energy)
    assert accuracy[0] == 0.75
    assert np.isnan(accuracy[1:]).all(), "nothing to compare"


ENERGIES = st.lists(st.integers(0, 3).map(float), max_size=4)


@given(st.lists(st.tuples(ENERGIES, ENERGIES).filter(any), max_size=5))
def test_all_pairs_are_compared_and_no_others(queues: list[tuple[list[float], list[float]]]) -> None:
    found = laid_out([(f"t{index}", on, off) for index, (on, off) in enumerate(queues)])
    expected = [
        sum((a < b) + 0.5 * (a == b) for a in on for b in off) / (len(on) * len(off)) if on and off else math.nan
        for on, off in queues
    ]
    assert found.path_accuracy(found.energy).tolist() == pytest.approx(expected, nan_ok=True)


def test_spread_is_within_queues_and_not_between_theorems() -> None:
    queues = laid_out([("near", [0.0], [1.0, 2.0]), ("far", [100.0], [101.0, 102.0])])
    assert queues.spread(queues.energy) == pytest.approx(1.0)
    assert queues.mean(queues.energy) == pytest.approx(51.0)


def test_theorems_weigh_alike_however_many_nodes_they_have() -> None:
    queues = laid_out([("a", [0.0], [0.0]), ("b", [1.0], [1.0] * 98)])
    assert queues.mean(queues.energy) == pytest.approx(0.5)


def test_units_put_both_terms_on_one_scale() -> None:
    units = Calibration(energy_mean=1.0, energy_sd=2.0, policy_sd=4.0, alpha=0.5, beta=1.0)
    energy, policy = laid_out([("a", [3.0], [5.0])]).in_units(units)
    assert (energy.tolist(), policy.tolist()) == ([1.0, 2.0], [-0.75, -1.25])


def test_siblings_can_stand_in_for_queues() -> None:
    groups = planted_groups(theorems=10)
    siblings = SiblingSet.from_groups(groups, planted_energies(groups))
    queues = FrontierSet.from_siblings(siblings)
    accuracy = queues.path_accuracy(queues.energy)
    pairwise = sibling_pairwise(siblings.positive_energy, siblings.negative_energy, siblings.mask, siblings.theorem)
    names = np.unique(siblings.theorem)
    assert np.mean([accuracy[queues.theorem == name].mean() for name in names]) == pytest.approx(pairwise.value)


def test_columns_must_agree() -> None:
    queues = laid_out([("a", [1.0], [2.0])])
    with pytest.raises(ValueError, match="another length"):
        attrs.evolve(queues, depth=[1])
    with pytest.raises(ValueError, match="not finite"):
        attrs.evolve(queues, energy=[1.0, np.inf])
