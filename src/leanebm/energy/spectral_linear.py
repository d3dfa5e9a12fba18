"""A linear layer whose weight is divided by an estimate of its largest singular value."""

from __future__ import annotations

from typing import assert_never, cast

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what everyone calls it

from leanebm.energy.config import SpectralNormMode
from leanebm.energy.spectral import (
    TINY_SIGMA,
    SingularTriplet,
    exact_sigma,
    krylov,
    normalised_linear,
    power_iteration,
    singular_triplet,
)

__all__ = ["SpectralLinear"]

_WARM_UP_ITERATIONS = 15
"""Of a persistent vector, at construction, as torch's own ``spectral_norm`` does."""


class SpectralLinear(nn.Module):
    """``x [N, I] → x (W/σ̂)ᵀ + b [N, O]``, or ``x (W/σ)ᵀ + b`` with the exact σ while it is frozen."""

    left: Tensor | None
    """``u [O]`` in mode ``PERSISTENT``; part of the state."""

    frozen_weight: Tensor | None
    """``W/σ [O, I]`` while frozen; a buffer, so that it moves with the module, but no part of its state."""

    frozen_bias: Tensor | None
    """``b [O]`` as it was when frozen."""

    def __init__(
        self,
        d_in: int,
        d_out: int,
        *,
        bias: bool,
        mode: SpectralNormMode,
        iterations: int,
        generator: Generator,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.iterations = iterations
        bound = d_in**-0.5  # as nn.Linear
        self.weight = nn.Parameter(torch.empty(d_out, d_in).uniform_(-bound, bound, generator=generator))
        self.bias = nn.Parameter(torch.empty(d_out).uniform_(-bound, bound, generator=generator)) if bias else None
        self.register_buffer("left", self._first_left(generator) if mode is SpectralNormMode.PERSISTENT else None)
        self.register_buffer("frozen_weight", None, persistent=False)
        self.register_buffer("frozen_bias", None, persistent=False)

    def forward(self, inputs: Tensor, generator: Generator) -> Tensor:
        """The layer's outputs.

        Args:
            inputs: ``[N, I]``.
            generator: draws the vector that modes ``RANDOM`` and ``KRYLOV`` start from.
        """
        if self.mode is SpectralNormMode.NONE:
            return F.linear(inputs, self.weight, self.bias)
        outputs = normalised_linear(inputs, self.weight, self.estimate(generator))
        return outputs if self.bias is None else outputs + self.bias

    def frozen_forward(self, inputs: Tensor) -> Tensor:
        """As :meth:`forward`, with what :meth:`freeze` baked."""
        return F.linear(inputs, cast("Tensor", self.frozen_weight), self.frozen_bias)

    def freeze(self) -> float:
        """Bake the weight divided by its exact σ (in mode ``NONE``, the weight itself), and return that σ."""
        sigma = exact_sigma(self.weight)
        divisor = 1.0 if self.mode is SpectralNormMode.NONE else max(sigma, TINY_SIGMA)
        self.frozen_weight = self.weight.detach() / divisor
        self.frozen_bias = None if self.bias is None else self.bias.detach().clone()
        return sigma

    def unfreeze(self) -> None:
        """Forget what :meth:`freeze` baked."""
        self.frozen_weight = self.frozen_bias = None

    def estimate(self, generator: Generator) -> SingularTriplet:
        """σ and its vectors, as a forward pass in this mode takes them; ``NONE`` iterates as ``RANDOM`` does."""
        match self.mode:
            case SpectralNormMode.RANDOM | SpectralNormMode.NONE:
                return power_iteration(self.weight, self._draw(generator), self.iterations)
            case SpectralNormMode.KRYLOV:
                return krylov(self.weight, self._draw(generator), self.iterations)
            case SpectralNormMode.PERSISTENT:
                return self._continue()
            case _:
                assert_never(self.mode)

    def _first_left(self, generator: Generator) -> Tensor:
        if self.weight.is_meta:  # a layer without numbers, made to be loaded into
            return torch.empty(self.weight.shape[0], device="meta")
        start = torch.randn(self.weight.shape[0], generator=generator)
        return power_iteration(self.weight, start, _WARM_UP_ITERATIONS).left

    def _draw(self, generator: Generator) -> Tensor:
        return torch.randn(self.weight.shape[0], generator=generator, device=self.weight.device)

    def _continue(self) -> SingularTriplet:
        """Iterate on from the last training step's vector; in scoring, only look along it."""
        left = cast("Tensor", self.left)
        if not self.training:
            return singular_triplet(self.weight, left)
        triplet = power_iteration(self.weight, left, self.iterations)
        left.copy_(triplet.left)
        return triplet
