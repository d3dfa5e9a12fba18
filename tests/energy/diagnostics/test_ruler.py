from __future__ import annotations

import numpy as np
import pytest

from leanebm.energy.diagnostics import SiblingSet, sibling_pairwise
from leanebm.energy.diagnostics._ruler import frontier_auc_by_length, pairwise_by_length, pairwise_same_length

from .planted import planted_energies, planted_frontiers, planted_groups


def test_where_length_says_nothing_a_ruler_gets_what_chance_gets() -> None:
    groups = planted_groups(theorems=200)
    found = pairwise_by_length(SiblingSet.from_groups(groups, planted_energies(groups)))
    assert found.value == pytest.approx(0.5, abs=0.05)


def test_where_length_gives_the_label_away_a_ruler_is_right() -> None:
    groups = planted_groups(theorems=40, longer=40)
    siblings = SiblingSet.from_groups(groups, planted_energies(groups))
    assert pairwise_by_length(siblings).value == pytest.approx(1.0, abs=0.01)


def test_a_head_that_knows_the_decile_only_is_found_out_at_equal_length() -> None:
    groups = planted_groups(theorems=200, longer=25)
    lengths = {text: len(text) for g in groups for text in (g.positive_text, *(n.text for n in g.negatives))}
    edges, noise = np.quantile(list(lengths.values()), np.arange(1, 10) / 10), np.random.default_rng(0)
    siblings = SiblingSet.from_groups(
        groups,
        {text: int(np.searchsorted(edges, length, side="right")) + noise.random() for text, length in lengths.items()},
    )
    whole = sibling_pairwise(siblings.positive_energy, siblings.negative_energy, siblings.mask, siblings.theorem)
    assert whole.is_above(0.65)
    assert pairwise_same_length(siblings).value == pytest.approx(0.5, abs=0.06)


def test_the_ruler_of_siblings_is_held_against_queues() -> None:
    groups = planted_groups(theorems=60, longer=40)
    siblings = SiblingSet.from_groups(groups, planted_energies(groups))
    queues = planted_frontiers(theorems=60)
    assert frontier_auc_by_length(siblings, queues).value == pytest.approx(0.5, abs=0.1)
    queues.shape[:, 0] += np.where(queues.is_on_path, 0.0, 1000.0)
    assert frontier_auc_by_length(siblings, queues).value == 1.0


def test_no_theorem_is_measured_by_a_ruler_that_knows_it() -> None:
    """Each theorem has a length rule of its own, drawn by lot: whoever saw it knows it, nobody else."""
    groups = planted_groups(theorems=300)
    siblings = SiblingSet.from_groups(groups, planted_energies(groups))
    sign = {name: 1.0 if index % 2 else -1.0 for index, name in enumerate(np.unique(siblings.theorem).tolist())}
    siblings.positive_shape[:, 0] = [200.0 + 100.0 * sign[name] for name in siblings.theorem.tolist()]
    siblings.negative_shape[:, :, 0] = 200.0
    assert pairwise_by_length(siblings).value == pytest.approx(0.5, abs=0.15)


def test_separable_lengths_have_a_finite_ruler() -> None:
    groups = planted_groups(theorems=5, longer=1000)
    assert pairwise_by_length(SiblingSet.from_groups(groups, planted_energies(groups))).value == 1.0


def test_one_theorem_cannot_be_held_out() -> None:
    groups = planted_groups(theorems=1)
    assert pairwise_by_length(SiblingSet.from_groups(groups, planted_energies(groups))).value is None
