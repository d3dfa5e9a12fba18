from __future__ import annotations

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import ContrastiveGroup
from leanebm.energy.diagnostics import (
    SiblingSet,
    sibling_pairwise,
    sibling_rank1,
    sibling_rank1_random,
    sibling_slices,
)
from leanebm.energy.diagnostics.sibling_figures import cross_theorem_pairwise, energy_spread, spearman_remaining

from .planted import planted_energies, planted_groups

POSITIVE = np.array([0.0, 2.0, 1.0])
NEGATIVE = np.array([[1.0, 2.0], [1.0, 3.0], [9.0, 9.0]])
MASK = np.array([[True, True], [True, True], [False, False]])
THEOREM = np.array([0, 1, 1])


def test_pairwise_counts_the_pairs_in_the_right_order() -> None:
    found = sibling_pairwise(POSITIVE, NEGATIVE, MASK, THEOREM)
    assert found.value == pytest.approx((1.0 + 0.5) / 2)
    assert found.count == 2, "a theorem counts through its groups that have negatives"


def test_rank1_and_its_chance() -> None:
    assert sibling_rank1(POSITIVE, NEGATIVE, MASK, THEOREM).value == 0.5
    assert sibling_rank1_random(MASK, THEOREM).value == pytest.approx(1 / 3)


def test_a_head_that_says_one_thing_of_all_states_gets_what_chance_gets() -> None:
    zeros, mask = np.zeros(4), np.array([[True] * 3] * 4)
    theorem = np.arange(4)
    assert sibling_pairwise(zeros, np.zeros((4, 3)), mask, theorem).value == 0.5
    assert sibling_rank1(zeros, np.zeros((4, 3)), mask, theorem).value == 0.25


def test_noise_gets_what_chance_gets_within_its_interval() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((600, 7)) < 0.7
    energies = rng.normal(size=600), rng.normal(size=(600, 7)), mask, rng.integers(0, 80, 600)
    pairwise, rank1 = sibling_pairwise(*energies), sibling_rank1(*energies)
    random = sibling_rank1_random(mask, energies[3])
    assert pairwise.low is not None
    assert pairwise.high is not None
    assert pairwise.low < 0.5 < pairwise.high
    assert rank1.value == pytest.approx(random.value, abs=0.06)


def test_a_gap_of_1_19_deviations_is_four_in_five() -> None:
    rng = np.random.default_rng(1)
    found = sibling_pairwise(
        rng.normal(size=4000), rng.normal(1.19, 1.0, size=(4000, 4)), np.ones((4000, 4), dtype=bool), np.arange(4000)
    )
    assert found.value == pytest.approx(0.80, abs=0.01)


@given(st.permutations(range(5)), st.integers(0, 2**16))
def test_the_order_of_negatives_does_not_matter(order: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive, negative = rng.integers(0, 4, 6), rng.integers(0, 4, (6, 5))
    mask, theorem = rng.random((6, 5)) < 0.6, rng.integers(0, 3, 6)
    for measure in (sibling_pairwise, sibling_rank1):
        there = measure(positive, negative, mask, theorem, resamples=0).value
        back = measure(positive, negative[:, order], mask[:, order], theorem, resamples=0).value
        assert there == back or there == pytest.approx(back)


@given(st.integers(0, 2**16))
def test_only_the_order_of_energies_matters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive, negative, mask, theorem = (
        rng.normal(size=6),
        rng.normal(size=(6, 5)),
        rng.random((6, 5)) < 0.6,
        np.arange(6),
    )
    for measure in (sibling_pairwise, sibling_rank1):
        there = measure(positive, negative, mask, theorem, resamples=0)
        assert there == measure(np.exp(positive), np.exp(negative), mask, theorem, resamples=0)


def test_masked_out_negatives_may_hold_anything() -> None:
    negative = np.where(MASK, NEGATIVE, np.nan)
    assert sibling_pairwise(POSITIVE, negative, MASK, THEOREM) == sibling_pairwise(POSITIVE, NEGATIVE, MASK, THEOREM)


def test_a_missing_energy_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(ValueError, match="not a number"):
        sibling_pairwise([np.nan], [[1.0]], [[True]], [0])


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="shapes do not agree"):
        sibling_pairwise([0.0, 1.0], [[1.0]], [[True]], [0, 1])


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


def test_a_collapsed_head_has_no_spread() -> None:
    siblings = judged(0.0, theorems=5)
    flat = attrs.evolve(
        siblings, positive_energy=np.zeros(len(siblings)), negative_energy=np.zeros(siblings.mask.shape)
    )
    assert energy_spread(flat).value == 0.0
    assert spearman_remaining(flat).value == 0.0


def test_other_theorems_are_told_apart_by_what_theorems_share() -> None:
    siblings = judged(1.5)
    assert cross_theorem_pairwise(siblings).value == pytest.approx(0.82, abs=0.05)
    assert cross_theorem_pairwise(shifted_by_theorem(siblings, 50.0)).value == pytest.approx(0.5, abs=0.1)


def test_each_positive_is_compared_with_all_negatives_of_other_theorems() -> None:
    siblings = judged(0.7, theorems=4)
    on, off = siblings.positive_energy, siblings.negative_energy
    shares = []
    for i in range(len(siblings)):
        others = [e for j in range(len(siblings)) if siblings.theorem[j] != siblings.theorem[i] for e in off[j]]
        shares.append(np.mean([on[i] < e for e in others if np.isfinite(e)]))
    means = [np.mean(np.array(shares)[siblings.theorem == name]) for name in np.unique(siblings.theorem)]
    assert cross_theorem_pairwise(siblings).value == pytest.approx(np.mean(means))


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8), st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_wins_against_other_theorems_count_ties_at_half(own: list[int], others: list[int]) -> None:
    wins = np.array([sum((a < b) + 0.5 * (a == b) for b in others) / len(others) for a in own])
    groups, other = planted_groups(theorems=2)[0], planted_groups(theorems=2)[-1]
    mine = [attrs.evolve(groups, theorem="mine", positive_text=f"p{i}", negatives=()) for i in range(len(own))]
    theirs = attrs.evolve(
        other,
        theorem="theirs",
        negatives=tuple(attrs.evolve(other.negatives[0], text=f"n{i}") for i in range(len(others))),
    )
    energy = {f"p{i}": float(e) for i, e in enumerate(own)} | {f"n{i}": float(e) for i, e in enumerate(others)}
    siblings = SiblingSet.from_groups([*mine, theirs], {**energy, theirs.positive_text: 0.0})
    assert cross_theorem_pairwise(siblings).value == pytest.approx(wins.mean())


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


def test_progress_is_a_matter_of_order_only() -> None:
    siblings = judged(1.5)
    stretched = attrs.evolve(siblings, positive_energy=np.exp(siblings.positive_energy))
    assert spearman_remaining(stretched).value == pytest.approx(spearman_remaining(siblings).value)


def test_every_decision_point_is_in_one_part_of_each_kind() -> None:
    groups = planted_groups(theorems=30)
    slices = sibling_slices(SiblingSet.from_groups(groups, planted_energies(groups)))
    for by in ("depth", "source"):
        assert sum(each.groups for each in slices if each.by == by) == len(groups)
    assert {each.label for each in slices if each.by == "evidence"} == {"dead", "unknown"}


def test_a_slice_that_is_bad_shows() -> None:
    groups = planted_groups(theorems=60)
    siblings = SiblingSet.from_groups(groups, planted_energies(groups))
    deep = siblings.depth >= 4
    broken = attrs.evolve(siblings, positive_energy=np.where(deep, 50.0, siblings.positive_energy))
    by_label = {each.label: each.pairwise.value for each in sibling_slices(broken) if each.by == "depth"}
    assert by_label["4–7"] == 0.0
    assert by_label["0–1"] is not None
    assert by_label["0–1"] > 0.7
