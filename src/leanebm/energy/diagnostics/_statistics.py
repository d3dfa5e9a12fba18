"""The few statistical primitives that the diagnostics need, on numpy alone."""

from __future__ import annotations

import hashlib
import math
from typing import Final

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from leanebm.energy.diagnostics.estimate import Floats

__all__ = ["FOLDS", "Logistic", "average_ranks", "cross_fit", "sigmoid", "spearman", "theorem_folds", "wins_against"]

FOLDS: Final = 5
"""Parts that theorems are divided into, each in turn held out."""

_NEWTON_STEPS = 50
_CONVERGED = 1e-9


def sigmoid(x: ArrayLike) -> Floats:
    """``1 / (1 + exp(-x))`` without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, dtype=np.float64))))


def average_ranks(values: ArrayLike) -> Floats:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, index, count = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - 0.5 * (count - 1))[index])


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation; ``nan`` if either side does not vary."""
    a, b = average_ranks(x), average_ranks(y)
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 0 else math.nan


def wins_against(own: ArrayLike, others: ArrayLike) -> Floats:
    """For each of ``own``, how many of ``others`` it lies below, ties counting half."""
    ordered = np.sort(np.asarray(others, dtype=np.float64))
    above = len(ordered) - np.searchsorted(ordered, own, side="right")
    equal = len(ordered) - np.searchsorted(ordered, own, side="left") - above
    return np.asarray(above + 0.5 * equal)


@attrs.frozen
class Logistic:
    """``P(y = 1) = sigmoid(features @ weights + intercept)``, over features standardised at fitting."""

    weights: Floats
    intercept: float
    centre: Floats
    scale: Floats

    @classmethod
    def fit(
        cls,
        features: ArrayLike,
        labels: ArrayLike,
        *,
        weight: ArrayLike | None = None,
        ridge: float = 1e-3,
        intercept: bool = True,
    ) -> Logistic:
        """Weighted maximum likelihood by Newton's method, with a small ridge so that separable data has an answer.

        Without ``intercept`` the features are not centred either: for differences of two states' features.
        """
        x, y = np.asarray(features, dtype=np.float64), np.asarray(labels, dtype=np.float64)
        w = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
        w = w / w.mean()
        centre = np.average(x, axis=0, weights=w) if intercept else np.zeros(x.shape[1])
        spread = np.sqrt(np.average((x - centre) ** 2, axis=0, weights=w))
        scale = np.where(spread > 0, spread, 1.0)
        design = (x - centre) / scale
        if intercept:
            design = np.column_stack([design, np.ones(len(y))])
        theta = _newton(design, y, w, _ridge(design.shape[1], ridge, free_last=intercept) * len(y))
        weights = theta[:-1] if intercept else theta
        return cls(weights, float(theta[-1]) if intercept else 0.0, centre, scale)

    def logits(self, features: ArrayLike) -> Floats:
        """Log-odds of each row, ``[N, F] → [N]``."""
        return np.asarray((np.asarray(features) - self.centre) / self.scale @ self.weights + self.intercept)


def _ridge(width: int, strength: float, *, free_last: bool) -> Floats:
    penalty = np.full(width, strength)
    if free_last:
        penalty[-1] = 1e-9  # an intercept is not shrunk, only kept from running away where one label is missing
    return penalty


def _newton(design: Floats, y: Floats, w: Floats, penalty: Floats) -> Floats:
    theta = np.zeros(design.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = sigmoid(design @ theta)
        gradient = design.T @ (w * (p - y)) + penalty * theta
        curvature = (design * (w * np.maximum(p * (1 - p), 1e-6))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        theta = theta - step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < _CONVERGED:
            break
    return theta


def theorem_folds(theorem: NDArray[np.str_]) -> NDArray[np.intp]:
    """A fold for each item, the same for all of one theorem and the same in every process; folds are even."""
    names, index = np.unique(theorem, return_inverse=True)
    order = np.argsort([hashlib.sha256(name.encode()).hexdigest() for name in names.tolist()])
    fold = np.empty(len(names), dtype=np.intp)
    fold[order] = np.arange(len(names)) % FOLDS
    return np.asarray(fold[index])


def cross_fit(
    features: Floats,
    labels: ArrayLike,
    fold: NDArray[np.intp],
    *,
    weight: ArrayLike | None = None,
) -> Floats:
    """Log-odds of each item under a :class:`Logistic` that never saw its fold; ``nan`` if the others lack a label."""
    y = np.asarray(labels, dtype=np.float64)
    w = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    logits = np.full(len(y), np.nan)
    for held_out in range(FOLDS):
        test = fold == held_out
        seen = y[~test]
        if test.any() and seen.any() and not seen.all():
            logits[test] = Logistic.fit(features[~test], seen, weight=w[~test]).logits(features[test])
    return logits
