r"""Does the head tell the step that leads on from the steps beside it?

Every figure compares states that have the same parent, unless it says otherwise. Shapes: ``G`` groups (decision
points), ``K`` negatives per group. A *score* is any number by which siblings can be ranked, **lower is better**:
an energy, or a negated log-probability. Ties count half a win for each side, so that a head which says the same
of all states gets exactly what chance gets. Masked-out negatives may hold anything, ``nan`` included.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from leanebm._shown import fitting_repr
from leanebm.core import Evidence
from leanebm.energy.diagnostics.estimate import Estimate, Floats, macro_mean
from leanebm.energy.diagnostics.siblings import SiblingSet

_SHORTEST_PROOF: Final = 3
_DEPTHS: Final = ("0–1", "2–3", "4–7", "8+")
_DEPTH_EDGES: Final = (2, 4, 8)


def sibling_pairwise(
    positive: ArrayLike, negative: ArrayLike, mask: ArrayLike, theorem: ArrayLike, *, resamples: int = 2000
) -> Estimate:
    r"""Pairwise accuracy among siblings, :math:`P(E_p < E_n) + \tfrac12 P(E_p = E_n)`: the headline figure.

    Averaged within a group, then within a theorem, then over theorems. Chance is 0.5 whatever the number of
    negatives. Groups without negatives say nothing and are left out.

    Args:
        positive: score of the step that leads on, ``[G]``.
        negative: scores of its siblings, ``[G, K]``.
        mask: which of them exist, ``[G, K]``.
        theorem: one id per group, ``[G]``.
        resamples: bootstrap samples over theorems; 0 for no interval.
    """
    better, equal, has_negative = _compare(positive, negative, mask)
    count = np.maximum(np.asarray(mask, dtype=bool).sum(axis=1), 1)
    wins = np.where(has_negative, 1.0 - (better + 0.5 * equal) / count, np.nan)
    return macro_mean(wins, theorem, resamples=resamples)


def sibling_rank1(
    positive: ArrayLike, negative: ArrayLike, mask: ArrayLike, theorem: ArrayLike, *, resamples: int = 2000
) -> Estimate:
    r"""How often the step that leads on is ranked first among its siblings.

    A tie for the first place among :math:`t` states counts :math:`1/t`. Chance depends on how many siblings
    there are: it is :func:`sibling_rank1_random`.
    """
    better, equal, has_negative = _compare(positive, negative, mask)
    first = np.where(better == 0, 1.0 / (1.0 + equal), 0.0)
    return macro_mean(np.where(has_negative, first, np.nan), theorem, resamples=resamples)


def sibling_rank1_random(mask: ArrayLike, theorem: ArrayLike) -> Estimate:
    r"""What :func:`sibling_rank1` is for a random order: the mean of :math:`1/(1 + n)` over ``n`` negatives."""
    count = np.asarray(mask, dtype=bool).sum(axis=1)
    return macro_mean(np.where(count > 0, 1.0 / (1.0 + count), np.nan), theorem, resamples=0)


def cross_theorem_pairwise(siblings: SiblingSet) -> Estimate:
    """Pairwise accuracy against *other theorems'* negatives; chance is 0.5.

    These are the easy pairs: anything that correlates with being nearly done ranks them. A head that is
    good here and no better than chance among siblings has learnt what a search cannot use.
    """
    positive, mask = siblings.positive_energy, siblings.mask
    wins, count = _wins_against(positive, siblings.negative_energy[mask]), np.full(len(siblings), float(mask.sum()))
    for name in np.unique(siblings.theorem):
        own = siblings.theorem == name
        wins[own] -= _wins_against(positive[own], siblings.negative_energy[own][mask[own]])
        count[own] -= mask[own].sum()
    return macro_mean(np.where(count > 0, wins / np.maximum(count, 1), np.nan), siblings.theorem)


def energy_spread(siblings: SiblingSet) -> Estimate:
    """Standard deviation of all energies, in the head's own unit (it starts out near 1)."""
    energies = np.concatenate([siblings.positive_energy, siblings.negative_energy[siblings.mask]])
    return Estimate.plain(float(energies.std()), len(energies)) if len(energies) else Estimate.nothing()


def spearman_remaining(siblings: SiblingSet) -> Estimate:
    """Rank correlation of energy with the tactics that remain, along each proof; mean over theorems.

    Counts proofs with at least three scored states of differing remaining depth. Chance is 0; a head whose
    energies fall as the proof nears its end has a positive one.
    """
    found, theorems = [], []
    for name in np.unique(siblings.theorem).tolist():
        own = siblings.theorem == name
        if own.sum() >= _SHORTEST_PROOF:
            found.append(_spearman(siblings.positive_energy[own], siblings.remaining[own]))
            theorems.append(name)
    return macro_mean(found, theorems)


@attrs.frozen(kw_only=True)
class Slice:
    """Sibling pairwise accuracy on a part of the decision points: an average hides what a search depends on."""

    by: str
    """What parts are told apart by: ``depth``, ``source`` or ``evidence``."""

    label: str
    """Which part it is, such as ``4–7``."""

    pairwise: Estimate
    groups: int
    """How many decision points with negatives the part has."""
    __repr__ = fitting_repr


def sibling_slices(siblings: SiblingSet) -> tuple[Slice, ...]:
    """Break sibling pairwise accuracy down by depth, source and the negatives' evidence; empty parts left out.

    Depth is the parent's, in tactics from the root. Evidence is ``dead`` for negatives verified to be so, else
    ``unknown``.
    """
    return tuple(
        Slice(
            by=by,
            label=label,
            pairwise=sibling_pairwise(part.positive_energy, part.negative_energy, part.mask, part.theorem),
            groups=groups,
        )
        for by, label, part in _parts(siblings)
        if (groups := int(part.mask.any(axis=1).sum())) > 0
    )


def _parts(siblings: SiblingSet) -> Iterator[tuple[str, str, SiblingSet]]:
    bucket = np.searchsorted(_DEPTH_EDGES, siblings.depth, side="right")
    for index, label in enumerate(_DEPTHS):
        yield "depth", label, siblings.take(np.flatnonzero(bucket == index))
    for source in np.unique(siblings.source).tolist():
        yield "source", source, siblings.take(np.flatnonzero(siblings.source == source))
    yield "evidence", Evidence.DEAD.value, siblings.keeping(siblings.is_dead)
    yield "evidence", Evidence.UNKNOWN.value, siblings.keeping(~siblings.is_dead)


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


def _wins_against(own: Floats, others: Floats) -> Floats:
    """For each of ``own``, how many of ``others`` it lies below, ties counting half."""
    ordered = np.sort(others)
    above = len(ordered) - np.searchsorted(ordered, own, side="right")
    equal = len(ordered) - np.searchsorted(ordered, own, side="left") - above
    return np.asarray(above + 0.5 * equal)


def _spearman(energy: Floats, remaining: NDArray[np.int64]) -> float:
    if len(np.unique(remaining)) < 2:
        return math.nan  # nothing to correlate with
    if len(np.unique(energy)) < 2:
        return 0.0  # a head that says one thing of every state orders none
    return float(np.corrcoef(_ranks(energy), _ranks(remaining))[0, 1])


def _ranks(values: ArrayLike) -> Floats:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, index, count = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - 0.5 * (count - 1))[index])
