"""Settings of the energy head."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import attrs
from attrs.validators import deep_iterable, ge, in_, instance_of, le, lt

from leanebm._shown import fitting_repr

ACTIVATIONS = ("gelu", "relu", "silu", "tanh")


class SpectralNormMode(enum.Enum):
    """How a layer estimates its largest singular value σ, by which it divides its weight."""

    RANDOM = "random"
    """Power iteration from a vector drawn afresh at every forward, in training and in scoring ("Option C")."""

    PERSISTENT = "persistent"
    """Power iteration that goes on where the last training step left off; scoring does not move it."""

    KRYLOV = "krylov"
    """As ``RANDOM``, with the best estimate from all iterates instead of the last: closer, as many reads."""

    NONE = "none"
    """No normalisation: a plain multilayer perceptron, for comparison."""


def _as_tuple(widths: Iterable[int]) -> tuple[int, ...]:
    return tuple(widths)


@attrs.frozen(kw_only=True)
class EnergyHeadConfig:
    """Shape and normalisation of an :class:`~leanebm.energy.EnergyHead`; builds nothing.

    The default is the settled head for a 7B encoder, 4096 → 2048 → 1024 → 512 → 1, about 11 million
    parameters.
    """

    d_in: int = attrs.field(default=4096, validator=[instance_of(int), ge(1)])
    """Width of an embedding."""

    hidden: tuple[int, ...] = attrs.field(
        default=(2048, 1024, 512),
        converter=_as_tuple,
        validator=deep_iterable(member_validator=[instance_of(int), ge(1)]),
    )
    """Widths of the hidden layers, from the input to the output; without any, the head is a linear probe."""

    activation: str = attrs.field(default="silu", validator=in_(ACTIVATIONS))
    """What stands between two layers: ``silu``, ``gelu``, ``relu`` or ``tanh``."""

    dropout: float = attrs.field(default=0.1, validator=[ge(0.0), lt(1.0)])
    """Share of hidden units left out in a training step, in [0, 1)."""

    spectral_norm: SpectralNormMode = attrs.field(
        default=SpectralNormMode.RANDOM, validator=instance_of(SpectralNormMode)
    )
    """How layers are normalised."""

    power_iterations: int = attrs.field(default=5, validator=[instance_of(int), ge(1), le(1000)])
    """Passes through a weight and its transpose for each estimate of σ."""

    standardize: bool = attrs.field(default=True, validator=instance_of(bool))
    """Whether embeddings are centred and scaled, dimension by dimension, before the first layer."""

    seed: int = attrs.field(default=0, validator=[instance_of(int), ge(0)])
    """Of everything that the head draws: its first weights, dropout, and the vectors of ``spectral_norm``."""

    __repr__ = fitting_repr
