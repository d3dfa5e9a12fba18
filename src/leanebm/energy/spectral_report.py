"""How exactly a head's layers were normalised."""

from __future__ import annotations

import math

import attrs

__all__ = ["SpectralReport"]


@attrs.frozen(kw_only=True)
class SpectralReport:
    """What :meth:`~leanebm.energy.EnergyHead.freeze_spectral` found; one entry a layer, from the input on."""

    exact: tuple[float, ...]
    """Largest singular value σ of each weight."""

    estimated: tuple[float, ...]
    """What a forward pass would have divided by instead, σ̂ ≤ σ."""

    lipschitz_bound: float
    """The most that energies of two inputs can differ for each unit of distance between the (standardised)
    inputs: the product of the frozen weights' norms, the activations' steepest slopes and the scale."""

    @property
    def shortfalls(self) -> tuple[float, ...]:
        """Share of σ that each estimate misses, ``1 − σ̂/σ``, in [0, 1]."""
        return tuple(
            max(0.0, 1.0 - estimate / sigma) if sigma > 0.0 else 0.0
            for sigma, estimate in zip(self.exact, self.estimated, strict=True)
        )

    @property
    def max_shortfall(self) -> float:
        """The largest of :attr:`shortfalls`; on layers that training has not touched, about 0.07."""
        return max(self.shortfalls, default=math.nan)
