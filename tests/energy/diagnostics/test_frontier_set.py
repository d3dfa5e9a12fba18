from __future__ import annotations

import math

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.energy.diagnostics import FrontierNode, FrontierSet, FrontierSnapshot, SiblingSet, sibling_pairwise

from .planted import planted_energies, planted_groups


def snapshot(theorem: str, on: list[float], off: list[float]) -> FrontierSnapshot:
    return FrontierSnapshot(
        theorem=theorem,
        nodes=[
            FrontierNode(energy=energy, path_log_prob=-energy, depth=1, is_on_path=energy in on) for energy in on + off
        ],
    )


def test_a_queue_is_as_good_as_the_share_of_nodes_that_the_path_comes_before() -> None:
    queues = FrontierSet.from_snapshots(
        [snapshot("a", [1.0], [0.0, 2.0, 3.0, 4.0]), snapshot("b", [5.0], []), snapshot("b", [], [1.0])]
    )
    accuracy = queues.path_accuracy(queues.energy)
    assert accuracy[0] == 0.75
    assert np.isnan(accuracy[1:]).all(), "nothing to compare"


@given(
    st.lists(st.tuples(st.lists(st.integers(0, 3), max_size=3), st.lists(st.integers(0, 3), max_size=4)), max_size=5)
)
def test_all_pairs_are_compared_and_no_others(queues: list[tuple[list[int], list[int]]]) -> None:
    nodes = [
        FrontierSnapshot(
            theorem=f"t{index}",
            nodes=[
                FrontierNode(energy=float(e), path_log_prob=0.0, depth=1, is_on_path=label)
                for label, energies in ((True, on), (False, off))
                for e in energies
            ],
        )
        for index, (on, off) in enumerate(queues)
    ]
    found = FrontierSet.from_snapshots(nodes)
    expected = [
        sum((a < b) + 0.5 * (a == b) for a in on for b in off) / (len(on) * len(off)) if on and off else math.nan
        for on, off in queues
        if on or off
    ]
    assert found.path_accuracy(found.energy).tolist() == pytest.approx(expected, nan_ok=True)


def test_spread_is_within_queues_and_not_between_theorems() -> None:
    near, far = snapshot("near", [0.0], [1.0, 2.0]), snapshot("far", [100.0], [101.0, 102.0])
    queues = FrontierSet.from_snapshots([near, far])
    assert queues.spread(queues.energy) == pytest.approx(1.0)
    assert queues.mean(queues.energy) == pytest.approx(51.0)


def test_theorems_weigh_alike_however_many_nodes_they_have() -> None:
    queues = FrontierSet.from_snapshots([snapshot("a", [1.0], [2.0]), snapshot("b", [1.0], [2.0] * 98)])
    weights = queues.node_weight
    assert weights.sum() == pytest.approx(1.0)
    assert weights[queues.node_theorem == "a"].sum() == pytest.approx(0.5)


def test_siblings_can_stand_in_for_queues() -> None:
    groups = planted_groups(theorems=10)
    siblings = SiblingSet.from_groups(groups, planted_energies(groups))
    queues = FrontierSet.from_siblings(siblings)
    accuracy = queues.path_accuracy(queues.energy)
    pairwise = sibling_pairwise(siblings.positive_energy, siblings.negative_energy, siblings.mask, siblings.theorem)
    names = np.unique(siblings.theorem)
    assert np.mean([accuracy[queues.theorem == name].mean() for name in names]) == pytest.approx(pairwise.value)


def test_columns_must_agree() -> None:
    queues = FrontierSet.from_snapshots([snapshot("a", [1.0], [2.0])])
    with pytest.raises(ValueError, match="another length"):
        attrs.evolve(queues, depth=[1])
    with pytest.raises(ValueError, match="not finite"):
        attrs.evolve(queues, energy=[1.0, np.inf])
