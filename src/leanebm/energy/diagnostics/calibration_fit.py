"""Finds the units of a head and its weight beside the policy, on validation theorems."""

from __future__ import annotations

import enum
import math
from typing import Final

import attrs
import numpy as np
from attrs.validators import deep_iterable, ge, min_len

from leanebm._shown import fitting_repr
from leanebm.energy.checkpoint_header import Calibration
from leanebm.energy.diagnostics.estimate import Estimate, Floats, macro_mean, theorem_means
from leanebm.energy.diagnostics.frontier_set import FrontierSet
from leanebm.energy.diagnostics.probability import platt
from leanebm.energy.diagnostics.sibling_set import SiblingSet

__all__ = ["BetaPoint", "CalibrationBasis", "CalibrationConfig", "CalibrationFit", "fit_calibration"]

_FEWEST_THEOREMS: Final = 2


class CalibrationBasis(enum.Enum):
    """What a calibration was fitted on."""

    FRONTIERS = "frontiers"
    """Live queues of searches that ended in a proof: what the weight is for."""

    SIBLINGS = "siblings"
    """Decision points alone, each taken for a small queue, because no searches were recorded."""


@attrs.frozen(kw_only=True)
class CalibrationConfig:
    """How the units and the weight are found."""

    betas: tuple[float, ...] = attrs.field(
        default=(0.0, 0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0),
        validator=[min_len(1), deep_iterable(ge(0.0))],
    )
    """Weights of the energy that are tried, in standard units."""

    alpha: float = attrs.field(default=0.5, validator=ge(0.0))
    """Length exponent of the policy term, unless another is clearly better."""

    other_alphas: tuple[float, ...] = attrs.field(default=(), validator=deep_iterable(ge(0.0)))
    """Exponents that replace ``alpha`` if the policy alone ranks better with them by more than one standard
    error; so the energy is weighed against the best that the policy can do without it. The search must then
    be given the same exponent, so by default there are none."""


@attrs.frozen(kw_only=True)
class BetaPoint:
    """How well queues are ordered at one weight."""

    beta: float
    auc: Estimate
    """Frontier AUC of policy and energy together."""

    shortfall: float
    """How much lower that is than at the best weight."""

    shortfall_error: float | None
    """Standard error of ``shortfall``, over theorems, each compared with itself; ``None`` below two."""


@attrs.frozen(kw_only=True)
class CalibrationFit:
    """A calibration and how it was come by."""

    calibration: Calibration
    basis: CalibrationBasis
    curve: tuple[BetaPoint, ...] = ()
    """One point a weight that was tried; empty if the policy's opinion is unknown."""

    notes: tuple[str, ...] = ()
    """What could not be fitted, and what was done instead."""

    __repr__ = fitting_repr


def fit_calibration(
    siblings: SiblingSet, frontiers: FrontierSet | None = None, config: CalibrationConfig | None = None
) -> CalibrationFit:
    """Fit units, weight and probability on validation theorems.

    The unit of each term is its typical spread *within one queue*; the weight ``beta`` is the smallest whose
    frontier AUC falls short of the best one's by no more than one standard error (over theorems, paired), so
    the energy gets no more say than it has earned, and none at all if the policy does as well without it.

    Where there are no frontiers of two theorems or more, decision points stand in for them, and the fit says so
    (:attr:`CalibrationFit.basis`). A unit that cannot be measured, because nothing varies, is 1, with a note.
    """
    config = config or CalibrationConfig()
    basis, queues, notes = _choose_basis(siblings, frontiers)
    energy_sd = queues.spread(queues.energy)
    if not energy_sd > 0:
        notes.append("the energy does not vary within any queue, so its unit is 1 and its weight 0")
    alpha = _choose_alpha(queues, config)
    policy_sd = queues.spread(queues.policy_term(alpha))
    is_policy_known = bool(np.isfinite(queues.path_accuracy(queues.policy_term(alpha))).any())
    if not is_policy_known:
        notes.append("the policy's opinion of on-path states is unknown, so the energy cannot be weighed against it")
    elif not policy_sd > 0:
        notes.append("the policy's opinion does not vary within any queue, so its unit is 1")
    mean = queues.mean(queues.energy)
    units = Calibration(
        energy_mean=mean if math.isfinite(mean) else 0.0,
        energy_sd=energy_sd if energy_sd > 0 else 1.0,
        policy_sd=policy_sd if policy_sd > 0 else 1.0,
        alpha=alpha,
        beta=0.0,
        platt_slope=0.0,
        platt_intercept=0.0,
    )
    curve = _beta_curve(queues, units, config.betas) if is_policy_known else ()
    slope, intercept = platt(queues, np.asarray((queues.energy - units.energy_mean) / units.energy_sd))
    beta = _smallest_within_error(curve) if energy_sd > 0 else 0.0
    fitted = attrs.evolve(units, beta=beta, platt_slope=slope, platt_intercept=intercept)
    return CalibrationFit(calibration=fitted, basis=basis, curve=curve, notes=tuple(notes))


def _choose_basis(
    siblings: SiblingSet, frontiers: FrontierSet | None
) -> tuple[CalibrationBasis, FrontierSet, list[str]]:
    if frontiers is not None:
        rankable = np.isfinite(frontiers.path_accuracy(frontiers.energy))
        if len(np.unique(frontiers.theorem[rankable])) >= _FEWEST_THEOREMS:
            return CalibrationBasis.FRONTIERS, frontiers, []
    note = "no queues of two or more proved theorems were recorded, so units and weight come from decision points"
    return CalibrationBasis.SIBLINGS, FrontierSet.from_siblings(siblings), [note]


def _choose_alpha(queues: FrontierSet, config: CalibrationConfig) -> float:
    """The configured exponent, or the best one if that is clearly better."""
    alphas = (config.alpha, *config.other_alphas)
    columns = [theorem_means(queues.path_accuracy(-queues.policy_term(alpha)), queues.theorem) for alpha in alphas]
    if len(columns[0]) < _FEWEST_THEOREMS:
        return config.alpha
    best = int(np.argmax([column.mean() for column in columns]))
    gain = columns[best] - columns[0]
    error = _standard_error(gain)
    return alphas[best] if error is not None and gain.mean() > error else config.alpha


def _beta_curve(queues: FrontierSet, units: Calibration, betas: tuple[float, ...]) -> tuple[BetaPoint, ...]:
    policy = queues.policy_term(units.alpha) / units.policy_sd
    energy = (queues.energy - units.energy_mean) / units.energy_sd
    accuracies = [queues.path_accuracy(beta * energy - policy) for beta in betas]
    columns = [theorem_means(accuracy, queues.theorem) for accuracy in accuracies]
    best = max(columns, key=lambda column: float(column.mean()))
    return tuple(
        BetaPoint(
            beta=beta,
            auc=macro_mean(accuracy, queues.theorem),
            shortfall=float((best - column).mean()),
            shortfall_error=_standard_error(best - column),
        )
        for beta, accuracy, column in zip(betas, accuracies, columns, strict=True)
    )


def _smallest_within_error(curve: tuple[BetaPoint, ...]) -> float:
    errors = [(point, point.shortfall_error) for point in curve]
    good = [point.beta for point, error in errors if error is None or point.shortfall <= error]
    return min(good, default=0.0)


def _standard_error(differences: Floats) -> float | None:
    count = len(differences)
    return float(differences.std(ddof=1) / math.sqrt(count)) if count >= _FEWEST_THEOREMS else None
