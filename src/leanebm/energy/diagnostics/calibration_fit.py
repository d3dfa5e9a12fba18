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
from leanebm.energy.diagnostics.frontiers import FrontierSet
from leanebm.energy.diagnostics.siblings import SiblingSet

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
    """Length exponent of the policy term; the search's scorer must have the same."""


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
    """A calibration and where it comes from."""

    calibration: Calibration
    basis: CalibrationBasis
    curve: tuple[BetaPoint, ...] = ()
    """One point per weight that was tried; empty if the policy's opinion is unknown."""

    notes: tuple[str, ...] = ()
    """What could not be fitted, and what was done instead."""

    __repr__ = fitting_repr


def fit_calibration(
    siblings: SiblingSet, frontiers: FrontierSet | None = None, config: CalibrationConfig | None = None
) -> CalibrationFit:
    """Fit units and weight on validation theorems.

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
    policy_term = queues.policy_term(config.alpha)
    policy_sd = queues.spread(policy_term)
    is_policy_known = bool(np.isfinite(queues.path_accuracy(policy_term)).any())
    if not is_policy_known:
        notes.append("the policy's opinion of on-path states is unknown, so the energy cannot be weighed against it")
    elif not policy_sd > 0:
        notes.append("the policy's opinion does not vary within any queue, so its unit is 1")
    mean = queues.mean(queues.energy)
    units = Calibration(
        energy_mean=mean if math.isfinite(mean) else 0.0,
        energy_sd=energy_sd if energy_sd > 0 else 1.0,
        policy_sd=policy_sd if policy_sd > 0 else 1.0,
        alpha=config.alpha,
        beta=0.0,
    )
    curve = _beta_curve(queues, units, config.betas) if is_policy_known else ()
    beta = _smallest_within_error(curve) if energy_sd > 0 else 0.0
    return CalibrationFit(calibration=attrs.evolve(units, beta=beta), basis=basis, curve=curve, notes=tuple(notes))


def _choose_basis(
    siblings: SiblingSet, frontiers: FrontierSet | None
) -> tuple[CalibrationBasis, FrontierSet, list[str]]:
    if frontiers is not None:
        rankable = np.isfinite(frontiers.path_accuracy(frontiers.energy))
        if len(np.unique(frontiers.theorem[rankable])) >= _FEWEST_THEOREMS:
            return CalibrationBasis.FRONTIERS, frontiers, []
    note = "no queues of two or more proved theorems were recorded, so units and weight come from decision points"
    return CalibrationBasis.SIBLINGS, FrontierSet.from_siblings(siblings), [note]


def _beta_curve(queues: FrontierSet, units: Calibration, betas: tuple[float, ...]) -> tuple[BetaPoint, ...]:
    energy, policy = queues.in_units(units)
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
