from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.energy.diagnostics import (
    reciprocal_ranks,
    sibling_mrr,
    sibling_pairwise,
    sibling_rank1,
    sibling_rank1_random,
)

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


def test_reciprocal_ranks() -> None:
    assert reciprocal_ranks(POSITIVE, NEGATIVE, MASK).tolist() == [1.0, 0.5, pytest.approx(np.nan, nan_ok=True)]
    assert sibling_mrr(POSITIVE, NEGATIVE, MASK, THEOREM).value == 0.75


def test_a_head_that_says_one_thing_of_all_states_gets_what_chance_gets() -> None:
    zeros, mask = np.zeros(4), np.array([[True] * 3] * 4)
    theorem = np.arange(4)
    assert sibling_pairwise(zeros, np.zeros((4, 3)), mask, theorem).value == 0.5
    assert sibling_rank1(zeros, np.zeros((4, 3)), mask, theorem).value == 0.25
    assert sibling_mrr(zeros, np.zeros((4, 3)), mask, theorem).value == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


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
    for measure in (sibling_pairwise, sibling_rank1, sibling_mrr):
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
    for measure in (sibling_pairwise, sibling_rank1, sibling_mrr):
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
