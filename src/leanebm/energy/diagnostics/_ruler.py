"""How much of what the head can do a ruler could do as well.

Off-path states are often longer (or shorter) than on-path ones. A head that has learnt only that is worthless
where it matters, and its accuracy looks fine. The ruler is the best linear score of log characters, goals and
local names: a logistic fit to the differences between siblings, five-fold over theorems, so that it never
measures a theorem that it was fitted on. Shapes: ``G`` groups, ``K`` negatives per group, ``N`` open nodes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from leanebm.energy.diagnostics.estimate import Estimate, Floats, macro_mean
from leanebm.energy.diagnostics.frontiers import FrontierSet
from leanebm.energy.diagnostics.sibling_figures import sibling_pairwise
from leanebm.energy.diagnostics.siblings import SiblingSet

_FOLDS: Final = 5

_NEWTON_STEPS: Final = 50

_CONVERGED: Final = 1e-9

_RIDGE: Final = 1e-3
"""Small, so that data which a ruler separates has an answer as well."""


def pairwise_by_length(siblings: SiblingSet) -> Estimate:
    """Sibling pairwise accuracy of outward size alone; chance is 0.5. A head should beat it by 0.10."""
    if len(np.unique(siblings.theorem)) < 2 or not siblings.mask.any():
        return Estimate.nothing()
    positive, negative = np.zeros(len(siblings)), np.zeros(siblings.mask.shape)
    for weights, test in _rulers(siblings, siblings.theorem):
        positive[test] = _lengths(siblings.positive_shape[test]) @ weights
        negative[test] = _lengths(siblings.negative_shape[test]) @ weights
    return sibling_pairwise(-positive, -negative, siblings.mask, siblings.theorem)


def frontier_auc_by_length(siblings: SiblingSet, frontiers: FrontierSet) -> Estimate:
    """Frontier AUC of the same ruler, fitted to siblings as a head is; chance is 0.5."""
    scores, lengths = np.full(len(frontiers.energy), np.nan), _lengths(frontiers.shape)
    for weights, test in _rulers(siblings, frontiers.node_theorem):
        scores[test] = lengths[test] @ weights
    return macro_mean(frontiers.path_accuracy(-scores), frontiers.theorem)


def pairwise_same_length(siblings: SiblingSet) -> Estimate:
    """Sibling pairwise accuracy of the head over pairs whose lengths fall into the same tenth; chance is 0.5.

    What is left of the headline figure where length cannot help.
    """
    own, others = siblings.positive_shape[:, 0], siblings.negative_shape[:, :, 0]
    lengths = np.concatenate([own, others[siblings.mask]])
    edges = np.quantile(lengths, np.arange(1, 10) / 10) if len(lengths) else np.zeros(0)
    is_same = np.searchsorted(edges, others, side="right") == np.searchsorted(edges, own, side="right")[:, None]
    matched = siblings.keeping(is_same)
    return sibling_pairwise(matched.positive_energy, matched.negative_energy, matched.mask, matched.theorem)


def _rulers(siblings: SiblingSet, theorem: NDArray[np.str_]) -> Iterator[tuple[Floats, NDArray[np.bool_]]]:
    """For each fold, the weights that the other folds' siblings give, and which of ``theorem`` ``[N]`` are in it."""
    folds = _theorem_folds(np.concatenate([siblings.theorem, theorem]))
    of_group, of_item = folds[: len(siblings)], folds[len(siblings) :]
    positive, negative = _lengths(siblings.positive_shape), _lengths(siblings.negative_shape)
    for held_out in range(_FOLDS):
        group, place = np.nonzero(siblings.mask & (of_group != held_out)[:, None])
        if len(group) and (of_item == held_out).any():
            yield _preference(positive[group] - negative[group, place]), of_item == held_out


def _preference(differences: Floats) -> Floats:
    """Weights ``w [F]`` of most likely ``Π σ(w·d)`` over ``differences [M, F]``, by Newton's method."""
    scale = np.sqrt((differences**2).mean(axis=0))
    scale[scale == 0.0] = 1.0
    x, weights = differences / scale, np.zeros(differences.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = 0.5 * (1.0 + np.tanh(0.5 * (x @ weights)))  # the logistic function, without overflow
        gradient = x.T @ (p - 1.0) + _RIDGE * len(x) * weights
        curvature = (x * np.maximum(p * (1.0 - p), 1e-6)[:, None]).T @ x + _RIDGE * len(x) * np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < _CONVERGED:
            break
    return np.asarray(weights / scale)


def _theorem_folds(theorem: NDArray[np.str_]) -> NDArray[np.intp]:
    """A fold for each item, the same for all of one theorem and the same in every process; folds are even."""
    names, index = np.unique(theorem, return_inverse=True)
    order = np.argsort([hashlib.sha256(name.encode()).hexdigest() for name in names.tolist()])
    fold = np.empty(len(names), dtype=np.intp)
    fold[order] = np.arange(len(names)) % _FOLDS
    return np.asarray(fold[index])


def _lengths(shape: Floats) -> Floats:
    """Characters on a logarithmic scale, the counts as they are; masked-out negatives become 0."""
    features = np.nan_to_num(shape)
    return np.concatenate([np.log1p(features[..., :1]), features[..., 1:]], axis=-1)
