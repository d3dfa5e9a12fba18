r"""Does the head tell the step that leads on from the steps beside it?

Every figure compares states that have the same parent. Shapes: ``G`` groups (decision points), ``K`` negatives
a group. A *score* is any number by which siblings can be ranked, **lower is better**: an energy, or a negated
log-probability. Ties count half a win for each side, so that a head which says the same of all states gets
exactly what chance gets. Masked-out negatives may hold anything, ``nan`` included.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leanebm.energy.diagnostics.estimate import Estimate, Floats, macro_mean

__all__ = [
    "reciprocal_ranks",
    "sibling_mrr",
    "sibling_pairwise",
    "sibling_rank1",
    "sibling_rank1_random",
]


def sibling_pairwise(
    positive: ArrayLike,
    negative: ArrayLike,
    mask: ArrayLike,
    theorem: ArrayLike,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    r"""Pairwise accuracy among siblings, :math:`P(E_p < E_n) + \tfrac12 P(E_p = E_n)`: the headline figure.

    Averaged within a group, then within a theorem, then over theorems. Chance is 0.5 whatever the number of
    negatives. Groups without negatives say nothing and are left out.

    Args:
        positive: score of the step that leads on, ``[G]``.
        negative: scores of its siblings, ``[G, K]``.
        mask: which of them exist, ``[G, K]``.
        theorem: an id a group, ``[G]``.
        resamples: bootstrap samples over theorems; 0 for no interval.
        seed: of the bootstrap.
    """
    return macro_mean(_group_wins(positive, negative, mask), theorem, resamples=resamples, seed=seed)


def sibling_rank1(
    positive: ArrayLike,
    negative: ArrayLike,
    mask: ArrayLike,
    theorem: ArrayLike,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    r"""How often the step that leads on is ranked first among its siblings.

    A tie for the first place among :math:`t` states counts :math:`1/t`. Chance depends on how many siblings
    there are: it is :func:`sibling_rank1_random`.
    """
    better, equal, has_negative = _compare(positive, negative, mask)
    first = np.where(better == 0, 1.0 / (1.0 + equal), 0.0)
    return macro_mean(np.where(has_negative, first, np.nan), theorem, resamples=resamples, seed=seed)


def sibling_rank1_random(mask: ArrayLike, theorem: ArrayLike) -> Estimate:
    r"""What :func:`sibling_rank1` is for a random order: the mean of :math:`1/(1 + n)` over ``n`` negatives."""
    count = np.asarray(mask, dtype=bool).sum(axis=1)
    return macro_mean(np.where(count > 0, 1.0 / (1.0 + count), np.nan), theorem, resamples=0)


def sibling_mrr(
    positive: ArrayLike,
    negative: ArrayLike,
    mask: ArrayLike,
    theorem: ArrayLike,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Mean reciprocal rank of the step that leads on; 1 if it always comes first. See :func:`reciprocal_ranks`."""
    ranks = reciprocal_ranks(positive, negative, mask)
    return macro_mean(ranks, theorem, resamples=resamples, seed=seed)


def reciprocal_ranks(positive: ArrayLike, negative: ArrayLike, mask: ArrayLike) -> Floats:
    r"""Expected :math:`1/\mathrm{rank}` of each positive, ties broken at random, ``[G]``; ``nan`` without negatives.

    With :math:`b` better siblings and :math:`t` equal ones it is the mean of :math:`1/r` over
    :math:`r = b+1 \dots b+1+t`.
    """
    better, equal, has_negative = _compare(positive, negative, mask)
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, np.asarray(mask).shape[1] + 2))])
    mean: Floats = (harmonic[better + 1 + equal] - harmonic[better]) / (1 + equal)
    return np.where(has_negative, mean, np.nan)


def _group_wins(positive: ArrayLike, negative: ArrayLike, mask: ArrayLike) -> Floats:
    """Share of its negatives that each positive beats, ``[G]``; ``nan`` without negatives."""
    better, equal, has_negative = _compare(positive, negative, mask)
    count = np.maximum(np.asarray(mask, dtype=bool).sum(axis=1), 1)
    return np.where(has_negative, 1.0 - (better + 0.5 * equal) / count, np.nan)


def _compare(
    positive: ArrayLike, negative: ArrayLike, mask: ArrayLike
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """How many negatives are better than the positive, how many equal, and whether there are any; each ``[G]``."""
    own = np.asarray(positive, dtype=np.float64)[:, None]
    others = np.asarray(negative, dtype=np.float64)
    exists = np.asarray(mask, dtype=bool)
    if others.shape != exists.shape or own.shape[0] != others.shape[0]:
        raise ValueError(f"shapes do not agree: positive {own.shape[:1]}, negative {others.shape}, mask {exists.shape}")
    if np.isnan(own).any() or np.isnan(others[exists]).any():
        raise ValueError("a score is not a number; a head that cannot score a state must say so, not guess")
    better: NDArray[np.intp] = ((others < own) & exists).sum(axis=1)
    equal: NDArray[np.intp] = ((others == own) & exists).sum(axis=1)
    return better, equal, np.asarray(exists.any(axis=1))
