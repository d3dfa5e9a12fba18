from __future__ import annotations

import numpy as np
import pytest

from leanebm.energy.diagnostics import (
    SiblingSet,
    frontier_auc_length_only,
    length_deciles,
    pairwise_length_only,
    pairwise_same_length,
    sibling_pairwise,
)

from .planted import planted_energies, planted_frontiers, planted_groups


def test_where_length_says_nothing_a_ruler_gets_what_chance_gets() -> None:
    groups = planted_groups(theorems=200)
    found = pairwise_length_only(SiblingSet.from_groups(groups, planted_energies(groups)))
    assert found.value == pytest.approx(0.5, abs=0.05)


def test_where_length_gives_the_label_away_a_ruler_is_right() -> None:
    groups = planted_groups(theorems=40, longer=40)
    siblings = SiblingSet.from_groups(groups, planted_energies(groups))
    assert pairwise_length_only(siblings).value == pytest.approx(1.0, abs=0.01)


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


def test_deciles_hold_a_tenth_of_all_states_each() -> None:
    groups = planted_groups(theorems=300)
    counts = np.bincount(length_deciles(SiblingSet.from_groups(groups, planted_energies(groups))), minlength=10)
    assert len(counts) == 10
    assert counts.min() > 0.05 * counts.sum()


def test_frontiers_without_texts_have_no_length() -> None:
    queues = planted_frontiers(theorems=10)
    assert frontier_auc_length_only(queues).value == pytest.approx(0.5, abs=0.2)
    queues.shape[:] = np.nan
    assert frontier_auc_length_only(queues).value is None


def test_one_theorem_cannot_be_held_out() -> None:
    groups = planted_groups(theorems=1)
    assert pairwise_length_only(SiblingSet.from_groups(groups, planted_energies(groups))).value is None
