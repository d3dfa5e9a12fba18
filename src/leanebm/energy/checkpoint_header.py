"""What a checkpoint says about its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import attrs
from attrs.validators import ge, gt

from leanebm._shown import fitting_repr
from leanebm.core import EncoderIdentity
from leanebm.energy.config import EnergyHeadConfig


def _finite(_: object, field: attrs.Attribute[float], value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"'{field.name}' must be a finite number, not {value}")


@attrs.frozen(kw_only=True)
class Calibration:
    r"""What turns raw energies and log-probabilities into one priority.

    A search expands the open node of highest

    .. math:: \frac{\sum \log p \,/\, L^\alpha}{s_\pi} \;-\; \beta\,\frac{E - \mu}{s},

    so ``beta`` says how many standard deviations of the policy's opinion one standard deviation of the
    energy's is worth. All of it is fitted on validation theorems, never on those a result is claimed for.
    """

    energy_mean: float = attrs.field(validator=_finite)
    """``μ``: mean energy of an open validation node, in the head's own unit."""

    energy_sd: float = attrs.field(validator=[_finite, gt(0.0)])
    """``s``: typical standard deviation of the energy among the open nodes of one search, above 0."""

    policy_sd: float = attrs.field(validator=[_finite, gt(0.0)])
    """``s_π``: typical standard deviation of ``Σ log p / L^α`` among the same nodes, above 0."""

    alpha: float = attrs.field(validator=[_finite, ge(0.0)])
    """Exponent of the path's length ``L`` (in tactics), at least 0."""

    beta: float = attrs.field(validator=[_finite, ge(0.0)])
    """Weight of the energy, in standard units; 0 leaves the order to the policy alone."""


@attrs.frozen(kw_only=True)
class TunedWeights:
    """Weights that were chosen by what searches proved. A search uses them in place of those fitted in training."""

    alpha: float = attrs.field(validator=[_finite, ge(0.0)])
    """Exponent of the path's length, as :attr:`Calibration.alpha`."""

    beta: float = attrs.field(validator=[_finite, ge(0.0)])
    """Weight of the energy in the units of the calibration; 0 if no search proved more with the head than without."""

    fitted_alpha: float
    """What it replaces: the exponent at which training had fitted a weight."""

    fitted_beta: float
    """The weight that training had fitted."""

    theorems: int
    """Theorems that were searched with each choice. No result should be claimed on them."""

    max_expansions: int
    """Budget of each search, in expansions."""

    choices: int
    """Choices that were tried, those without the head included."""

    proved: int
    """Theorems proved with the choice that was made."""

    proved_without: int
    """Theorems proved by the best choice without the head."""

    __repr__ = fitting_repr


CHECKPOINT_SCHEMA_VERSION: Final = 2
"""Of the checkpoint's files; a change of what a field means, or of the weights' names, raises it."""

JsonScalar = str | int | float | bool | None
"""What a checkpoint may note about the training run."""


def _scalars(_: object, field: attrs.Attribute[Any], value: Mapping[str, JsonScalar]) -> None:
    for key, member in value.items():
        if not isinstance(member, str | int | float | None):
            raise TypeError(f"{field.name}[{key!r}] must be a string, a number, a boolean or None, got {member!r}")
        if isinstance(member, float) and not math.isfinite(member):
            raise ValueError(f"{field.name}[{key!r}] must be finite, got {member}")


def _numbers(_: object, field: attrs.Attribute[Any], value: Mapping[str, float]) -> None:
    for key, member in value.items():
        if not isinstance(member, float):
            raise TypeError(f"{field.name}[{key!r}] must be a number, got {member!r}")
        if math.isinf(member):
            raise ValueError(f"{field.name}[{key!r}] must be finite, or NaN where it is undefined, got {member}")


def _fits_config(header: CheckpointHeader, _: attrs.Attribute[EncoderIdentity], encoder: EncoderIdentity) -> None:
    if encoder.dim is not None and encoder.dim != header.config.d_in:
        raise ValueError(f"the encoder's vectors are {encoder.dim} wide, the head takes {header.config.d_in}")


def _as_dict(notes: Mapping[str, JsonScalar]) -> dict[str, JsonScalar]:
    return dict(notes)


def _as_floats(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) if isinstance(value, int) else value for name, value in metrics.items()}


@attrs.frozen(kw_only=True)
class CheckpointHeader:
    """Everything about a trained head but its numbers."""

    config: EnergyHeadConfig

    encoder: EncoderIdentity = attrs.field(validator=_fits_config)
    """Whose vectors it was trained on; it must never see another's."""

    training: Mapping[str, JsonScalar] = attrs.field(factory=dict, converter=_as_dict, validator=_scalars)
    """How it was trained, as far as one wants to know later: run, step, loss, data, seed."""

    metrics: Mapping[str, float] = attrs.field(factory=dict, converter=_as_floats, validator=_numbers)
    """What it reached on validation data; NaN where a metric is undefined (written as ``null``)."""

    calibration: Calibration | None = None
    """Units for search and probability; ``None`` until they were fitted."""

    tuned: TunedWeights | None = None
    """Weights chosen by ``leanebm tune``; ``None`` until it was run."""

    schema_version: int = attrs.field(
        default=CHECKPOINT_SCHEMA_VERSION, validator=attrs.validators.in_((CHECKPOINT_SCHEMA_VERSION,))
    )
    """Of the files; only the one that this leanebm writes is read."""

    __repr__ = fitting_repr
