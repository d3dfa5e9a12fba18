"""Bradley–Terry, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from leanebm.energy.losses import bradley_terry


def test_one_pair_by_hand() -> None:
    energies = torch.tensor([1.0]), torch.tensor([[3.0]])
    assert float(bradley_terry(*energies, label_smoothing=0.0)) == pytest.approx(math.log1p(math.exp(-2.0)))
    smoothed = 0.9 * math.log1p(math.exp(-2.0)) + 0.1 * math.log1p(math.exp(2.0))
    assert float(bradley_terry(*energies, label_smoothing=0.1)) == pytest.approx(smoothed)


def test_the_mean_goes_over_weighted_pairs() -> None:
    positive, negative = torch.tensor([0.0, 0.0]), torch.tensor([[1.0, 2.0], [3.0, 9.0]])
    mask = torch.tensor([[True, True], [True, False]])
    weight = torch.tensor([[1.0, 0.5], [0.25, 1.0]])
    by_hand = (math.log1p(math.exp(-1.0)) + 0.5 * math.log1p(math.exp(-2.0)) + 0.25 * math.log1p(math.exp(-3.0))) / 1.75
    assert float(bradley_terry(positive, negative, mask, weight, label_smoothing=0.0)) == pytest.approx(by_hand)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1])
def test_the_best_gap_is_finite(share: float) -> None:
    best = math.log((1.0 - share) / share)
    slopes = []
    for gap in (best - 0.1, best, best + 0.1):
        negative = torch.tensor([[gap]], dtype=torch.float64, requires_grad=True)
        bradley_terry(torch.zeros(1, dtype=torch.float64), negative, label_smoothing=share).backward()  # type: ignore[no-untyped-call]
        assert negative.grad is not None
        slopes.append(float(negative.grad))
    assert slopes[1] == pytest.approx(0.0, abs=1e-12)
    assert slopes[0] < 0.0 < slopes[2]


def test_no_pair_pulls_harder_than_its_weight() -> None:
    negative = torch.tensor([[-50.0, -1.0, 0.0, 1.0, 50.0]], requires_grad=True)
    bradley_terry(torch.zeros(1), negative).backward()  # type: ignore[no-untyped-call]
    assert negative.grad is not None
    assert float(negative.grad.abs().max()) <= 1.0 / 5
