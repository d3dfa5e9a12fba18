"""InfoNCE, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from leanebm.energy.losses import info_nce


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
