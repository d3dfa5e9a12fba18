"""What every contrastive loss keeps to, whatever its formula."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Generator, Tensor

from leanebm.energy.losses import ContrastiveLoss, bradley_terry, info_nce, listwise, margin

LOSSES: dict[str, ContrastiveLoss] = {
    "bradley_terry": bradley_terry,
    "unsmoothed": partial(bradley_terry, label_smoothing=0.0),
    "info_nce": info_nce,
    "info_nce_cold": partial(info_nce, temperature=0.3),
    "listwise": listwise,
    "listwise_cold": partial(listwise, temperature=0.3),
    "margin": margin,
    "margin_wide": partial(margin, width=1.9),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())

B, K = 5, 4


def batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Positives, negatives, a mask with a whole group missing, and weights; float64."""
    generator = Generator().manual_seed(seed)
    positive = torch.randn(B, generator=generator, dtype=torch.float64)
    negative = torch.randn(B, K, generator=generator, dtype=torch.float64)
    mask = torch.rand(B, K, generator=generator) < 0.7
    mask[0], mask[1, 0] = False, True
    weight = torch.rand(B, K, generator=generator, dtype=torch.float64) + 0.25
    return positive, negative, mask, weight


@every_loss
def test_nothing_given_means_all_of_weight_one(loss: ContrastiveLoss) -> None:
    positive, negative, _, _ = batch()
    given = loss(positive, negative, torch.ones(B, K, dtype=torch.bool), torch.ones(B, K))
    assert torch.equal(loss(positive, negative), given)


@every_loss
def test_the_order_of_negatives_does_not_matter(loss: ContrastiveLoss) -> None:
    positive, negative, mask, weight = batch()
    order = torch.stack([torch.randperm(K, generator=Generator().manual_seed(i)) for i in range(B)])
    shuffled = (each.gather(1, order) for each in (negative, mask, weight))
    torch.testing.assert_close(loss(positive, *shuffled), loss(positive, negative, mask, weight))


@every_loss
@pytest.mark.parametrize("junk", [torch.nan, torch.inf, -torch.inf, 1e300, 0.0])
def test_a_masked_place_lets_nothing_through(loss: ContrastiveLoss, junk: float) -> None:
    positive, negative, mask, weight = batch()
    expected = loss(positive, negative, mask, weight)
    positive[0] = junk  # its group has no negative left
    negative, weight = negative.masked_fill(~mask, junk), weight.masked_fill(~mask, junk)
    positive.requires_grad_()
    negative.requires_grad_()
    found = loss(positive, negative, mask, weight)
    found.backward()  # type: ignore[no-untyped-call]
    assert torch.equal(found, expected)
    assert negative.grad is not None
    assert positive.grad is not None
    assert torch.equal(negative.grad[~mask], torch.zeros_like(negative.grad[~mask]))
    assert positive.grad[0] == 0.0
    assert negative.grad.isfinite().all()
    assert positive.grad.isfinite().all()


@every_loss
def test_a_weight_of_zero_masks(loss: ContrastiveLoss) -> None:
    positive, negative, mask, weight = batch()
    zeroed = loss(positive, negative.masked_fill(~mask, torch.nan), None, weight.masked_fill(~mask, 0.0))
    assert torch.equal(zeroed, loss(positive, negative, mask, weight))


@every_loss
def test_padding_changes_nothing(loss: ContrastiveLoss) -> None:
    positive, negative, mask, weight = batch()
    padding = torch.zeros(B, 3, dtype=torch.float64)
    padded = (torch.cat((each, padding.to(each.dtype)), dim=1) for each in (negative, mask, weight))
    torch.testing.assert_close(loss(positive, *padded), loss(positive, negative, mask, weight))


@every_loss
def test_doubling_a_weight_is_having_the_negative_twice(loss: ContrastiveLoss) -> None:
    positive, negative, mask, weight = batch()
    doubled = weight.clone()
    doubled[:, 1] *= 2.0
    twice = (torch.cat((each, each[:, 1:2]), dim=1) for each in (negative, mask, weight))
    torch.testing.assert_close(loss(positive, negative, mask, doubled), loss(positive, *twice))


@every_loss
def test_a_batch_in_which_nothing_counts_is_zero(loss: ContrastiveLoss) -> None:
    positive, negative, mask, weight = batch()
    positive.requires_grad_()
    value = loss(positive, negative, torch.zeros_like(mask), weight)
    value.backward()  # type: ignore[no-untyped-call]
    assert float(value.detach()) == 0.0
    assert positive.grad is not None
    assert torch.equal(positive.grad, torch.zeros(B, dtype=torch.float64))
    assert float(loss(positive.detach(), negative[:, :0])) == 0.0


@every_loss
def test_polarity_positives_are_pulled_down_and_negatives_pushed_up(loss: ContrastiveLoss) -> None:
    positive, negative, mask, weight = batch()
    good = loss(positive - 4.0, negative, mask, weight)
    bad = loss(positive + 4.0, negative, mask, weight)
    assert good < bad
    energies = torch.zeros(3, dtype=torch.float64), torch.tensor([[0.3], [-0.2], [0.1]], dtype=torch.float64)
    for each in energies:
        each.requires_grad_()
    loss(*energies).backward()  # type: ignore[no-untyped-call]
    downhill_for_positives, downhill_for_negatives = (-each.grad.sum() for each in energies if each.grad is not None)
    assert downhill_for_positives < 0.0 < downhill_for_negatives


@every_loss
def test_gradients_are_those_of_the_formula(loss: ContrastiveLoss) -> None:
    positive, negative, mask, weight = batch(3)
    positive.requires_grad_()
    negative.requires_grad_()
    assert torch.autograd.gradcheck(lambda p, n: loss(p, n, mask, weight), (positive, negative))


@every_loss
def test_weights_get_no_gradient(loss: ContrastiveLoss) -> None:
    positive, negative, mask, weight = batch()
    weight.requires_grad_()
    assert not loss(positive, negative, mask, weight).requires_grad


@every_loss
def test_energies_far_apart_stay_finite(loss: ContrastiveLoss) -> None:
    positive = torch.tensor([-1e4, 1e4], requires_grad=True)
    value = loss(positive, torch.tensor([[1e4], [-1e4]]))
    value.backward()  # type: ignore[no-untyped-call]
    assert value.isfinite()
    assert positive.grad is not None
    assert positive.grad.isfinite().all()


@every_loss
def test_shapes_that_do_not_fit_are_refused(loss: ContrastiveLoss) -> None:
    positive, negative, mask, weight = batch()
    with pytest.raises(ValueError, match=r"positive must have shape \[B\] and negative \[B, K\]"):
        loss(positive[:2], negative)
    with pytest.raises(ValueError, match=r"positive must have shape \[B\] and negative \[B, K\]"):
        loss(positive.unsqueeze(1), negative)
    with pytest.raises(ValueError, match="mask must have shape"):
        loss(positive, negative, mask[:, :2])
    with pytest.raises(ValueError, match="weight must have shape"):
        loss(positive, negative, mask, weight[:1])
    with pytest.raises(ValueError, match="mask must be boolean"):
        loss(positive, negative, mask.float())
