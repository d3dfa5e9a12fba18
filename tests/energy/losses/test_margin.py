"""The hinge in standard units, against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from leanebm.energy import EnergyHead, EnergyHeadConfig, SpectralNormMode
from leanebm.energy.losses import margin

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
