"""The auxiliary terms: order along a proof, remaining depth, centring."""

from __future__ import annotations

import math

import pytest
import torch

from leanebm.energy.losses import DepthReadout, bradley_terry, centring, path_order, remaining_depth


def test_path_order_is_bradley_terry_with_the_later_state_as_positive() -> None:
    earlier, later = torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.5])
    expected = bradley_terry(later, earlier.unsqueeze(1), label_smoothing=0.1)
    assert torch.equal(path_order(earlier, later, label_smoothing=0.1), expected)
    by_hand = 0.5 * (math.log1p(math.exp(-1.0)) + math.log1p(math.exp(0.5)))
    assert float(path_order(earlier, later, label_smoothing=0.0)) == pytest.approx(by_hand)


def test_path_order_keeps_to_mask_and_weight() -> None:
    earlier, later = torch.tensor([2.0, torch.nan, 1.0]), torch.tensor([1.0, 0.0, 3.0], requires_grad=True)
    loss = path_order(
        earlier, later, torch.tensor([True, False, True]), torch.tensor([3.0, 1.0, 1.0]), label_smoothing=0.0
    )
    loss.backward()  # type: ignore[no-untyped-call]
    by_hand = (3.0 * math.log1p(math.exp(-1.0)) + math.log1p(math.exp(2.0))) / 4.0
    assert float(loss.detach()) == pytest.approx(by_hand)
    assert later.grad is not None
    assert later.grad[1] == 0.0
    assert later.grad[0] > 0.0  # the later state's energy is to fall


def test_path_order_refuses_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="positive must have shape"):
        path_order(torch.zeros(3), torch.zeros(2))


def test_remaining_depth_by_hand() -> None:
    remaining = torch.tensor([1, 3, 7])
    errors = torch.tensor([0.5, -2.0, 0.0])
    prediction = torch.log1p(remaining.float()) + errors
    assert float(remaining_depth(prediction, remaining)) == pytest.approx((0.125 + 1.5 + 0.0) / 3.0)
    weight = torch.tensor([2.0, 1.0, 1.0])
    assert float(remaining_depth(prediction, remaining, None, weight)) == pytest.approx((0.25 + 1.5) / 4.0)
    assert float(remaining_depth(prediction, remaining, threshold=4.0)) == pytest.approx((0.25 + 4.0) / 8.0 / 3.0)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32])
def test_an_unknown_remaining_depth_lets_nothing_through(dtype: torch.dtype) -> None:
    prediction = torch.tensor([0.0, torch.nan, torch.nan], requires_grad=True)
    remaining = torch.tensor([1, -1, 5], dtype=dtype)
    loss = remaining_depth(prediction, remaining, torch.tensor([True, True, False]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(0.5 * math.log(2.0) ** 2)
    assert prediction.grad is not None
    assert prediction.grad.tolist() == pytest.approx([-math.log(2.0), 0.0, 0.0])


def test_remaining_depth_of_nothing_known_is_zero() -> None:
    assert float(remaining_depth(torch.ones(2), torch.tensor([-1, -1]))) == 0.0


def test_remaining_depth_refuses_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="remaining must have shape"):
        remaining_depth(torch.zeros(3), torch.zeros(2))


def test_the_read_out_is_affine_and_rises_with_the_energy() -> None:
    readout = DepthReadout()
    with torch.no_grad():
        readout.log_slope.fill_(math.log(3.0))
        readout.intercept.fill_(-1.0)
    torch.testing.assert_close(readout(torch.tensor([0.0, 2.0])), torch.tensor([-1.0, 5.0]))


def test_the_read_out_finds_slope_and_intercept() -> None:
    remaining = torch.arange(1, 30)
    energies = 2.0 * torch.log1p(remaining.float()) - 3.0
    readout = DepthReadout()
    optimizer = torch.optim.Adam(readout.parameters(), lr=0.05)
    for _ in range(500):
        optimizer.zero_grad()
        loss = remaining_depth(readout(energies), remaining)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert math.exp(float(readout.log_slope.detach())) == pytest.approx(0.5, abs=0.02)
    assert float(readout.intercept.detach()) == pytest.approx(1.5, abs=0.05)


def test_centring_is_the_squared_mean() -> None:
    energies = torch.tensor([[1.0, torch.nan], [4.0, 3.0]])
    mask = torch.tensor([[True, False], [True, True]])
    weight = torch.tensor([[2.0, 1.0], [1.0, 1.0]])
    assert float(centring(energies, mask, weight)) == pytest.approx(2.25**2)
    assert float(centring(torch.zeros(0))) == 0.0


def test_centring_pulls_towards_zero_without_touching_the_order() -> None:
    energies = torch.tensor([1.0, 4.0], requires_grad=True)
    centring(energies).backward()  # type: ignore[no-untyped-call]
    assert energies.grad is not None
    assert energies.grad.tolist() == [2.5, 2.5]
