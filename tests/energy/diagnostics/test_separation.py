from __future__ import annotations

import attrs
import numpy as np
import pytest

from leanebm.core import ContrastiveGroup
from leanebm.energy.diagnostics import (
    SiblingSet,
    active_margin_fraction,
    cross_theorem_pairwise,
    energy_gap,
    energy_spread,
    same_theorem_pairwise,
    spearman_remaining,
)

from .planted import planted_energies, planted_groups


def judged(gap: float, *, theorems: int = 150) -> SiblingSet:
    groups = planted_groups(theorems=theorems)
    return SiblingSet.from_groups(groups, planted_energies(groups, gap=gap))


def shifted_by_theorem(siblings: SiblingSet, scale: float) -> SiblingSet:
    names, index = np.unique(siblings.theorem, return_inverse=True)
    shift = scale * np.random.default_rng(5).normal(size=len(names))[index]
    return attrs.evolve(
        siblings,
        positive_energy=siblings.positive_energy + shift,
        negative_energy=siblings.negative_energy + shift[:, None],
    )


def test_the_gap_is_that_which_was_planted() -> None:
    assert energy_gap(judged(1.5)).value == pytest.approx(1.5, abs=0.15)
    assert energy_gap(judged(0.0)).value == pytest.approx(0.0, abs=0.15)


def test_the_gap_does_not_see_what_a_theorem_shares() -> None:
    siblings = judged(1.5)
    assert energy_gap(shifted_by_theorem(siblings, 50.0)).value == pytest.approx(energy_gap(siblings).value)


def test_a_collapsed_head_has_no_gap() -> None:
    siblings = judged(0.0)
    flat = attrs.evolve(
        siblings, positive_energy=np.zeros(len(siblings)), negative_energy=np.zeros(siblings.mask.shape)
    )
    assert energy_gap(flat).value is None
    assert energy_spread(flat).value == 0.0
    assert active_margin_fraction(flat, 1.0).value == 1.0


def test_pairs_that_are_told_apart_are_not_active() -> None:
    assert active_margin_fraction(judged(50.0), 1.0).value == 0.0


def test_other_theorems_are_told_apart_by_what_theorems_share() -> None:
    siblings = judged(1.5)
    assert cross_theorem_pairwise(siblings).value == pytest.approx(0.82, abs=0.05)
    apart = shifted_by_theorem(siblings, 50.0)
    assert cross_theorem_pairwise(apart).value == pytest.approx(0.5, abs=0.1)
    assert same_theorem_pairwise(apart).value == pytest.approx(same_theorem_pairwise(siblings).value)


def test_tiers_are_disjoint_and_together_everything() -> None:
    siblings = judged(0.7, theorems=4)
    on, off = siblings.positive_energy, siblings.negative_energy
    same = siblings.theorem[:, None] == siblings.theorem
    tiers = ((same_theorem_pairwise, same & ~np.eye(len(siblings), dtype=bool)), (cross_theorem_pairwise, ~same))
    for measure, belongs in tiers:
        shares = []
        for i in range(len(siblings)):
            wins = [on[i] < e for j in range(len(siblings)) if belongs[i, j] for e in off[j][siblings.mask[j]]]
            shares.append(np.mean(wins))
        means = [np.mean(np.array(shares)[siblings.theorem == name]) for name in np.unique(siblings.theorem)]
        assert measure(siblings).value == pytest.approx(np.mean(means))


def test_energies_that_fall_towards_the_end_are_seen() -> None:
    rising = judged(1.5)
    perfect = attrs.evolve(rising, positive_energy=rising.remaining.astype(float))
    assert spearman_remaining(perfect).value == pytest.approx(1.0)
    assert spearman_remaining(attrs.evolve(perfect, positive_energy=-perfect.positive_energy)).value == pytest.approx(
        -1
    )
    found = spearman_remaining(rising)
    assert found.is_above(0.1)
    noise = spearman_remaining(judged(0.0, theorems=400))
    assert noise.value == pytest.approx(0.0, abs=0.08)


def test_short_proofs_say_nothing_of_progress() -> None:
    groups: tuple[ContrastiveGroup, ...] = planted_groups(theorems=1)[:2]
    assert spearman_remaining(SiblingSet.from_groups(groups, planted_energies(groups))).value is None
