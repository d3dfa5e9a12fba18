"""Approximate NDCG, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from leanebm.energy.losses import listwise


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def test_one_group_by_hand() -> None:
    loss = listwise(torch.tensor([1.0]), torch.tensor([[2.0, 0.0]]), None, torch.tensor([[1.0, 0.5]]))
    rank = 1.0 + sigmoid(-1.0) + 0.5 * sigmoid(1.0)
    assert float(loss) == pytest.approx(1.0 - 1.0 / math.log2(1.0 + rank))


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_sharp_steps_give_the_discounted_gain_of_the_rank(rank: int) -> None:
    negative = torch.tensor([[-3.0, -2.0, -1.0, 1.0]])[:, 4 - rank :] if rank > 1 else torch.tensor([[1.0, 2.0]])
    below = int((negative < 0.0).sum())
    loss = listwise(torch.zeros(1), negative, temperature=1e-3)
    assert float(loss) == pytest.approx(1.0 - 1.0 / math.log2(2.0 + below), abs=1e-6)


def test_the_mean_goes_over_groups_with_a_negative() -> None:
    mask = torch.tensor([[True, True], [False, False]])
    loss = listwise(torch.zeros(2), torch.zeros(2, 2), mask)
    assert float(loss) == pytest.approx(1.0 - 1.0 / math.log2(3.0))


def test_a_hopeless_group_pulls_less_than_one_that_is_nearly_right() -> None:
    positive = torch.tensor([20.0, 0.5], requires_grad=True)
    listwise(positive, torch.zeros(2, 3)).backward()  # type: ignore[no-untyped-call]
    assert positive.grad is not None
    assert positive.grad[0] < 1e-3 * positive.grad[1]
