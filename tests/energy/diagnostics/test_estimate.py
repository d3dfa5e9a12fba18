from __future__ import annotations

import numpy as np
import pytest

from leanebm.energy.diagnostics import Estimate, macro_mean
from leanebm.energy.diagnostics.estimate import theorem_means


def test_each_theorem_counts_alike() -> None:
    found = macro_mean([1.0, 1.0, 1.0, 0.0], ["long", "long", "long", "short"])
    assert found.value == 0.5
    assert found.count == 2


def test_what_is_unknown_is_left_out() -> None:
    assert theorem_means([1.0, np.nan, np.nan], [0, 0, 1]).tolist() == [1.0]
    assert macro_mean([np.nan], [0]) == Estimate.nothing()


def test_the_standard_error_is_that_of_theorem_means() -> None:
    means = np.random.default_rng(0).normal(size=200)
    found = macro_mean(np.repeat(means, 3), np.repeat(np.arange(200), 3))
    assert found.standard_error == pytest.approx(means.std(ddof=1) / np.sqrt(200))


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(200):
        found = macro_mean(rng.normal(size=40), np.arange(40), resamples=400, seed=seed)
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0.0 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_one_theorem_has_no_interval_and_so_is_above_nothing() -> None:
    found = macro_mean([1.0, 1.0], ["t", "t"])
    assert (found.standard_error, found.low, found.high) == (None, None, None)
    assert not found.is_above(0.5)
    assert not found.is_below(2.0)


def test_a_seed_gives_the_same_interval_again() -> None:
    values = np.random.default_rng(2).normal(size=50)
    assert macro_mean(values, np.arange(50)) == macro_mean(values, np.arange(50))
    assert macro_mean(values, np.arange(50), seed=1) != macro_mean(values, np.arange(50), seed=2)


def test_a_plain_figure_that_is_not_finite_is_none() -> None:
    assert Estimate.plain(float("nan"), 3).value is None
