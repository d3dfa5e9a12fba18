r"""How much of the head's skill a ruler would have, too.

Off-path states are often longer (or shorter) than on-path ones. A head that has learnt only that is worthless
where it matters, and its accuracy looks fine. Shapes: ``G`` groups, ``K`` negatives, ``F = 3`` features
(characters, goals, hypotheses).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from leanebm.energy.diagnostics._statistics import FOLDS, Logistic, cross_fit, theorem_folds
from leanebm.energy.diagnostics.estimate import Estimate, Floats, macro_mean
from leanebm.energy.diagnostics.frontier_set import FrontierSet
from leanebm.energy.diagnostics.sibling_set import SiblingSet
from leanebm.energy.diagnostics.siblings import sibling_pairwise

__all__ = [
    "frontier_auc_length_only",
    "length_deciles",
    "length_only_scores",
    "pairwise_length_only",
    "pairwise_same_length",
]


def pairwise_length_only(siblings: SiblingSet, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Sibling pairwise accuracy of outward size alone, on theorems it was not fitted on; chance is 0.5.

    The best that a linear score of log characters, goals and hypotheses can do: a logistic fit to the
    differences between siblings, five-fold over theorems. A head should beat it by 0.10.
    """
    known = np.asarray(np.isfinite(siblings.positive_shape).all(axis=1))
    usable = siblings.take(known)
    if len(np.unique(usable.theorem)) < 2 or not usable.mask.any():
        return Estimate.nothing()
    positive, negative = length_only_scores(usable)
    return sibling_pairwise(positive, negative, usable.mask, usable.theorem, resamples=resamples, seed=seed)


def length_only_scores(siblings: SiblingSet) -> tuple[Floats, Floats]:
    """What a ruler says of each positive ``[G]`` and each negative ``[G, K]``, lower for likelier on the path."""
    positive, negative = _lengths(siblings.positive_shape), _lengths(siblings.negative_shape)
    fold = theorem_folds(siblings.theorem)
    own, others = np.zeros(len(siblings)), np.zeros(siblings.mask.shape)
    for held_out in range(FOLDS):
        test = fold == held_out
        group, column = np.nonzero(siblings.mask & ~test[:, None])
        if not test.any() or not len(group):
            continue
        # Each pair both ways round: a fit without an intercept, blind to which of the two came first.
        difference = positive[group] - negative[group, column]
        labels = np.repeat([1.0, 0.0], len(group))
        fit = Logistic.fit(np.concatenate([difference, -difference]), labels, intercept=False)
        own[test], others[test] = -fit.logits(positive[test]), -fit.logits(negative[test])
    return own, others


def pairwise_same_length(siblings: SiblingSet, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Sibling pairwise accuracy over pairs whose lengths fall into the same decile; chance is 0.5.

    What is left of the headline figure where length cannot help.
    """
    edges = _decile_edges(siblings)
    own = np.searchsorted(edges, siblings.positive_shape[:, 0], side="right")
    others = np.searchsorted(edges, siblings.negative_shape[:, :, 0], side="right")
    matched = siblings.keeping(others == own[:, None])
    return sibling_pairwise(
        matched.positive_energy,
        matched.negative_energy,
        matched.mask,
        matched.theorem,
        resamples=resamples,
        seed=seed,
    )


def length_deciles(siblings: SiblingSet) -> NDArray[np.intp]:
    """Which tenth of all states' lengths each positive's falls into, ``[G]``, from 0 for the shortest."""
    return np.searchsorted(_decile_edges(siblings), siblings.positive_shape[:, 0], side="right")


def frontier_auc_length_only(frontiers: FrontierSet, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Frontier AUC of outward size and depth alone, on theorems they were not fitted on; chance is 0.5."""
    known = np.asarray(np.isfinite(frontiers.shape).all(axis=1))
    scores = np.full(len(known), np.nan)
    if known.any():
        features = np.column_stack([_lengths(frontiers.shape[known]), frontiers.depth[known]])
        scores[known] = -cross_fit(
            features,
            frontiers.is_on_path[known],
            frontiers.node_fold[known],
            weight=frontiers.node_weight[known],
        )
    return macro_mean(frontiers.path_accuracy(scores), frontiers.theorem, resamples=resamples, seed=seed)


def _decile_edges(siblings: SiblingSet) -> Floats:
    lengths = np.concatenate([siblings.positive_shape[:, 0], siblings.negative_shape[:, :, 0][siblings.mask]])
    known = lengths[np.isfinite(lengths)]
    return np.quantile(known, np.arange(1, 10) / 10) if len(known) else np.zeros(0)


def _lengths(shape: Floats) -> Floats:
    """Characters on a logarithmic scale, the counts as they are; masked-out negatives become 0."""
    features = np.nan_to_num(shape)
    return np.concatenate([np.log1p(features[..., :1]), features[..., 1:]], axis=-1)
