from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.energy.diagnostics._statistics import (
    Logistic,
    average_ranks,
    cross_fit,
    sigmoid,
    spearman,
    theorem_folds,
    wins_against,
)


def test_equal_values_share_a_rank() -> None:
    assert average_ranks([3.0, 1.0, 3.0, 2.0]).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_spearman_knows_order_only() -> None:
    x = np.array([1.0, 5.0, 2.0, 9.0])
    assert spearman(x, np.exp(x)) == pytest.approx(1.0)
    assert spearman(x, -x) == pytest.approx(-1.0)
    assert math.isnan(spearman(x, np.zeros(4)))


@given(st.lists(st.integers(-3, 3), max_size=8), st.lists(st.integers(-3, 3), max_size=8))
def test_wins_are_counted_with_ties_at_half(own: list[int], others: list[int]) -> None:
    expected = [sum((a < b) + 0.5 * (a == b) for b in others) for a in own]
    assert wins_against(np.array(own, dtype=float), np.array(others, dtype=float)).tolist() == expected


def test_the_logistic_fit_finds_what_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3.0, 2.0, size=(20_000, 2))
    y = rng.random(20_000) < sigmoid(x @ [0.8, -0.5] + 0.3)
    fit = Logistic.fit(x, y)
    assert (fit.weights / fit.scale).tolist() == pytest.approx([0.8, -0.5], abs=0.05)
    assert fit.logits(np.zeros((1, 2)))[0] == pytest.approx(0.3, abs=0.12)


def test_separable_labels_have_a_finite_fit() -> None:
    x = np.array([[0.0], [1.0], [2.0], [3.0]])
    assert np.isfinite(Logistic.fit(x, x[:, 0] > 1.5).logits(x)).all()


def test_weights_are_as_good_as_repetition() -> None:
    rng = np.random.default_rng(1)
    x, y, times = rng.normal(size=(200, 1)), rng.random(200) < 0.4, rng.integers(1, 5, 200)
    weighted = Logistic.fit(x, y, weight=times)
    repeated = Logistic.fit(np.repeat(x, times, axis=0), np.repeat(y, times))
    assert weighted.logits(x) == pytest.approx(repeated.logits(x), abs=1e-2)


def test_no_theorem_is_in_two_folds() -> None:
    theorem = np.repeat([f"t{index}" for index in range(23)], 3)
    fold = theorem_folds(theorem)
    assert all(len(set(fold[theorem == name])) == 1 for name in set(theorem.tolist()))
    assert set(fold.tolist()) == set(range(5))


def test_a_label_that_only_its_own_theorem_gives_away_is_not_learnt() -> None:
    theorem = np.repeat([f"t{index}" for index in range(40)], 10)
    labels = np.repeat(np.arange(40) % 2, 10)
    names = (theorem[:, None] == np.unique(theorem)).astype(float)
    held_out, seen = cross_fit(names, labels, theorem_folds(theorem)), Logistic.fit(names, labels).logits(names)
    assert ((held_out > 0) == labels).mean() < 0.6
    assert ((seen > 0) == labels).all(), "whoever saw the theorem knows the label"
