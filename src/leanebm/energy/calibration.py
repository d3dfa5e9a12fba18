"""Units in which an energy can be traded against the policy's opinion, fitted once and kept with the head."""

from __future__ import annotations

import math

import attrs
from attrs.validators import ge, gt

__all__ = ["Calibration"]


def _finite(_: object, field: attrs.Attribute[float], value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"'{field.name}' must be a finite number, not {value}")


@attrs.frozen(kw_only=True)
class Calibration:
    r"""What turns raw energies and log-probabilities into one priority and one probability.

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

    platt_slope: float = attrs.field(validator=_finite)
    """How much one standard unit of energy takes from the log-odds of being on a proof's path; a healthy
    head's is positive."""

    platt_intercept: float = attrs.field(validator=_finite)
    """Log-odds *against* being on the path at the mean energy."""

    def standardise(self, energy: float) -> float:
        """The energy in standard deviations above the mean of an open validation node."""
        return (energy - self.energy_mean) / self.energy_sd

    def probability(self, energy: float) -> float:
        """Chance that an open node of this energy lies on a proof's path, by Platt's logistic fit."""
        against = self.platt_slope * self.standardise(energy) + self.platt_intercept
        return 0.5 * (1.0 - math.tanh(0.5 * against))  # 1 / (1 + exp(against)), without the overflow
