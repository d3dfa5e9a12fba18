"""One normalised layer, mode by mode."""

from __future__ import annotations

import pytest
import torch
from torch import Generator
from torch.nn.functional import linear

from leanebm.energy import SpectralNormMode
from leanebm.energy.spectral import exact_sigma
from leanebm.energy.spectral_linear import SpectralLinear


def layer_of(mode: SpectralNormMode, *, bias: bool = True, iterations: int = 5) -> SpectralLinear:
    generator = Generator().manual_seed(0)
    return SpectralLinear(24, 16, bias=bias, mode=mode, iterations=iterations, generator=generator)


INPUTS = torch.randn(3, 24, generator=Generator().manual_seed(1))


@pytest.mark.parametrize("mode", [SpectralNormMode.RANDOM, SpectralNormMode.KRYLOV])
@pytest.mark.parametrize("training", [True, False])
def test_a_fresh_vector_every_time_in_training_and_in_scoring(mode: SpectralNormMode, training: bool) -> None:
    layer, generator = layer_of(mode, iterations=1).train(training), Generator().manual_seed(0)
    first, second = layer(INPUTS, generator), layer(INPUTS, generator)
    again = layer(INPUTS, Generator().manual_seed(0))
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


def test_a_persistent_vector_moves_in_training_only() -> None:
    layer, generator = layer_of(SpectralNormMode.PERSISTENT), Generator()
    assert layer.left is not None
    before = layer.left.clone()
    outputs = layer.eval()(INPUTS, generator)
    assert torch.equal(layer.left, before)
    assert torch.equal(layer(INPUTS, generator), outputs)
    layer.train()(INPUTS, generator)
    assert not torch.equal(layer.left, before)


def test_a_persistent_vector_comes_close_within_a_few_steps() -> None:
    layer = layer_of(SpectralNormMode.PERSISTENT, iterations=1)
    for _ in range(200):
        layer(INPUTS, Generator())
    sigma = exact_sigma(layer.weight)
    assert float(layer.eval().estimate(Generator()).sigma) == pytest.approx(sigma, rel=3e-3)


def test_without_normalisation_it_is_a_plain_linear_layer() -> None:
    layer = layer_of(SpectralNormMode.NONE)
    assert torch.equal(layer(INPUTS, Generator()), linear(INPUTS, layer.weight, layer.bias))


@pytest.mark.parametrize("mode", SpectralNormMode)
@pytest.mark.parametrize("bias", [True, False])
def test_frozen_it_divides_by_the_exact_value(mode: SpectralNormMode, bias: bool) -> None:
    layer = layer_of(mode, bias=bias)
    sigma = layer.freeze()
    assert sigma == exact_sigma(layer.weight)
    divisor = 1.0 if mode is SpectralNormMode.NONE else sigma
    outputs = layer.frozen_forward(INPUTS)
    torch.testing.assert_close(outputs, linear(INPUTS, layer.weight / divisor, layer.bias))
    assert not outputs.requires_grad


def test_what_was_baked_is_no_part_of_the_state() -> None:
    layer = layer_of(SpectralNormMode.PERSISTENT)
    layer.freeze()
    assert set(layer.state_dict()) == {"weight", "bias", "left"}
    layer.unfreeze()
    assert layer.frozen_weight is None
