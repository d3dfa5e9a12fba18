"""Bradley–Terry, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from leanebm.energy import EnergyHead, EnergyHeadConfig, SpectralNormMode
from leanebm.energy.losses import bradley_terry, info_nce, listwise, margin


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


def test_one_group_by_hand() -> None:
    loss = info_nce(torch.tensor([1.0]), torch.tensor([[2.0, 0.0]]), None, torch.tensor([[1.0, 0.5]]))
    by_hand = -math.log(math.exp(-1.0) / (math.exp(-1.0) + math.exp(-2.0) + 0.5 * math.exp(0.0)))
    assert float(loss) == pytest.approx(by_hand)


def test_temperature_divides_energies() -> None:
    positive, negative = torch.tensor([1.0, -0.5]), torch.tensor([[2.0, 0.0], [0.3, 0.1]])
    colder = info_nce(positive, negative, temperature=0.5)
    torch.testing.assert_close(colder, info_nce(2.0 * positive, 2.0 * negative))


def test_the_mean_goes_over_groups_with_a_negative() -> None:
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    loss = info_nce(torch.zeros(3), torch.zeros(3, 2), mask)
    assert float(loss) == pytest.approx((math.log(3.0) + math.log(2.0)) / 2.0)


@pytest.mark.parametrize("negatives", [1, 7, 15])
def test_chance_is_the_logarithm_of_the_group(negatives: int) -> None:
    assert float(info_nce(torch.ones(2), torch.ones(2, negatives))) == pytest.approx(math.log(negatives + 1))


def test_the_lowest_negative_gets_the_gradient() -> None:
    negative = torch.tensor([[-3.0, 3.0]], requires_grad=True)
    info_nce(torch.zeros(1), negative).backward()  # type: ignore[no-untyped-call]
    assert negative.grad is not None
    assert negative.grad[0, 0] / negative.grad[0, 1] == pytest.approx(math.exp(6.0), rel=1e-4)


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def test_one_group_by_hand_listwise() -> None:
    loss = listwise(torch.tensor([1.0]), torch.tensor([[2.0, 0.0]]), None, torch.tensor([[1.0, 0.5]]))
    rank = 1.0 + sigmoid(-1.0) + 0.5 * sigmoid(1.0)
    assert float(loss) == pytest.approx(1.0 - 1.0 / math.log2(1.0 + rank))


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_sharp_steps_give_the_discounted_gain_of_the_rank(rank: int) -> None:
    negative = torch.tensor([[-3.0, -2.0, -1.0, 1.0]])[:, 4 - rank :] if rank > 1 else torch.tensor([[1.0, 2.0]])
    below = int((negative < 0.0).sum())
    loss = listwise(torch.zeros(1), negative, temperature=1e-3)
    assert float(loss) == pytest.approx(1.0 - 1.0 / math.log2(2.0 + below), abs=1e-6)


def test_the_mean_goes_over_groups_with_a_negative_listwise() -> None:
    mask = torch.tensor([[True, True], [False, False]])
    loss = listwise(torch.zeros(2), torch.zeros(2, 2), mask)
    assert float(loss) == pytest.approx(1.0 - 1.0 / math.log2(3.0))


def test_a_hopeless_group_pulls_less_than_one_that_is_nearly_right() -> None:
    positive = torch.tensor([20.0, 0.5], requires_grad=True)
    listwise(positive, torch.zeros(2, 3)).backward()  # type: ignore[no-untyped-call]
    assert positive.grad is not None
    assert positive.grad[0] < 1e-3 * positive.grad[1]


# Two pairs: (0, 2) in the right order, (2, 0) in the wrong one. Mean 1, standard deviation 1.
POSITIVE, NEGATIVE = torch.tensor([0.0, 2.0]), torch.tensor([[2.0], [0.0]])


@pytest.mark.parametrize(("width", "loss"), [(1.0, 1.5), (0.5, 1.25), (2.0, 2.0), (3.0, 3.0)])
def test_two_pairs_by_hand(width: float, loss: float) -> None:
    assert float(margin(POSITIVE, NEGATIVE, width=width)) == pytest.approx(loss)


def test_equal_energies_cost_the_whole_width() -> None:
    positive = torch.ones(3, requires_grad=True)
    loss = margin(positive, torch.ones(3, 2), width=0.7)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(0.7)
    assert positive.grad is not None
    assert positive.grad.isfinite().all()


@pytest.mark.parametrize(("factor", "offset"), [(1e-3, 0.0), (1e3, 0.0), (1.0, -40.0), (30.0, 7.0)])
def test_neither_scale_nor_origin_matters(factor: float, offset: float) -> None:
    generator = torch.Generator().manual_seed(0)
    positive = torch.randn(6, generator=generator, dtype=torch.float64)
    negative = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    moved = margin(factor * positive + offset, factor * negative + offset)
    torch.testing.assert_close(moved, margin(positive, negative), rtol=1e-5, atol=0.0)


def test_the_heads_scale_is_no_way_out() -> None:
    head = EnergyHead(EnergyHeadConfig(d_in=8, hidden=(8,), spectral_norm=SpectralNormMode.PERSISTENT)).eval()
    states = torch.randn(6, 4, 8, generator=torch.Generator().manual_seed(0))
    head.initialise_scale(states)
    energies = head(states)
    margin(energies[:, 0], energies[:, 1:]).backward()  # type: ignore[no-untyped-call]
    assert head.log_scale.grad is not None
    assert float(head.log_scale.grad) == pytest.approx(0.0, abs=1e-5)
    assert all(layer.weight.grad.norm() > 1e-3 for layer in head._layers if layer.weight.grad is not None)


def test_a_pair_that_keeps_the_margin_gets_no_gradient_of_its_own() -> None:
    positive = torch.tensor([-9.0, -9.0, 0.0], requires_grad=True)
    negative = torch.tensor([[9.0], [9.0], [0.1]])
    loss = margin(positive, negative)
    assert float(loss.detach()) == pytest.approx(
        (1.0 - 0.1 / float(torch.cat((positive.detach(), negative[:, 0])).std(correction=0))) / 3, rel=1e-4
    )
