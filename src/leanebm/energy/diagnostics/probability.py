r"""Whether energies can be read as chances.

The order of a queue does not depend on this; deciding when to give up on a theorem does. Shapes: ``N`` nodes.
"""

from __future__ import annotations

from typing import Final

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from leanebm.energy.diagnostics._statistics import Logistic, cross_fit, sigmoid
from leanebm.energy.diagnostics.estimate import Estimate, Floats
from leanebm.energy.diagnostics.frontier_set import FrontierSet

__all__ = [
    "DEPTH_BUCKETS",
    "ReliabilityBin",
    "brier_skill",
    "depth_bucket",
    "expected_calibration_error",
    "held_out_probabilities",
    "platt",
    "reliability",
]

DEPTH_BUCKETS: Final = ("0–1", "2–3", "4–7", "8+")
"""Depths that figures are broken down by."""

_BINS: Final = 15


@attrs.frozen(kw_only=True)
class ReliabilityBin:
    """Nodes of similar predicted chance."""

    predicted: float
    """Mean predicted chance of lying on the path."""

    observed: float
    """Share that lies on it."""

    weight: float
    """Share of all nodes, theorems counting alike."""

    count: int
    """How many nodes."""


def depth_bucket(depth: ArrayLike) -> NDArray[np.intp]:
    """Index into :data:`DEPTH_BUCKETS` of each depth."""
    return np.asarray(np.searchsorted([2, 4, 8], np.asarray(depth), side="right"))


def platt(frontiers: FrontierSet, energy: Floats) -> tuple[float, float]:
    r"""Slope and intercept of :math:`P(\text{on path}) = \sigma(-(a E + b))`, theorems counting alike.

    Args:
        frontiers: whose nodes' labels are fitted.
        energy: standardised energies, ``[N]``.

    Returns:
        ``(a, b)``; ``(0, 0)`` if one of the labels does not occur.
    """
    labels = frontiers.is_on_path
    if not labels.any() or labels.all():
        return 0.0, 0.0
    fit = Logistic.fit(energy[:, None], labels, weight=frontiers.node_weight)
    slope = float(fit.weights[0] / fit.scale[0])
    return -slope, slope * float(fit.centre[0]) - fit.intercept


def held_out_probabilities(frontiers: FrontierSet, energy: Floats) -> Floats:
    """Each node's chance under a Platt fit to *other* theorems, ``[N]``, so that calibration is not flattered.

    ``nan`` where fewer than two theorems have both labels.
    """
    logits = cross_fit(energy[:, None], frontiers.is_on_path, frontiers.node_fold, weight=frontiers.node_weight)
    return np.where(np.isnan(logits), np.nan, sigmoid(logits))


def reliability(
    probability: Floats, label: ArrayLike, weight: Floats, *, bins: int = _BINS
) -> tuple[ReliabilityBin, ...]:
    """Predicted against observed, in ``bins`` bins of equal weight, the lowest chance first.

    Bins of equal weight, not of equal width: of the nodes that stand open few lie on the path, so nearly
    all chances are small and bins of equal width would hold nothing but the first.
    """
    known = np.isfinite(probability)
    p, y, w = probability[known], np.asarray(label, dtype=np.float64)[known], weight[known]
    if not len(p) or w.sum() <= 0:
        return ()
    order = np.argsort(p, kind="stable")
    p, y, w = p[order], y[order], w[order] / w.sum()
    place = np.minimum((np.cumsum(w) - 0.5 * w) * bins, bins - 1).astype(int)
    total = np.bincount(place, weights=w, minlength=bins)
    means = [np.bincount(place, weights=w * x, minlength=bins) / np.maximum(total, 1e-300) for x in (p, y)]
    count = np.bincount(place, minlength=bins)
    return tuple(
        ReliabilityBin(
            predicted=float(means[0][i]), observed=float(means[1][i]), weight=float(total[i]), count=int(count[i])
        )
        for i in np.flatnonzero(count)
    )


def expected_calibration_error(bins: tuple[ReliabilityBin, ...]) -> Estimate:
    r"""ECE: :math:`\sum_b w_b\,|\text{predicted}_b - \text{observed}_b|`, in probability; 0 is perfect.

    Guo et al., 2017, https://arxiv.org/abs/1706.04599, with bins of equal weight.
    """
    if not bins:
        return Estimate.nothing()
    error = sum(each.weight * abs(each.predicted - each.observed) for each in bins)
    return Estimate.plain(error, sum(each.count for each in bins))


def brier_skill(probability: Floats, label: ArrayLike, weight: Floats) -> tuple[Estimate, Estimate]:
    r"""Brier score :math:`\overline{(p - y)^2}`, and the share of the base rate's Brier score that it takes away.

    The score alone says little where few nodes lie on the path: to say 2 % of every node scores 0.02. The
    skill does: 0 for knowing the base rate only, 1 for knowing everything, below 0 for knowing worse.
    """
    known = np.isfinite(probability)
    p, y, w = probability[known], np.asarray(label, dtype=np.float64)[known], weight[known]
    if not len(p) or w.sum() <= 0:
        return Estimate.nothing(), Estimate.nothing()
    brier = float(np.average((p - y) ** 2, weights=w))
    rate = float(np.average(y, weights=w))
    base = rate * (1.0 - rate)
    skill = Estimate.plain(1.0 - brier / base, len(p)) if base > 0 else Estimate.nothing()
    return Estimate.plain(brier, len(p)), skill
