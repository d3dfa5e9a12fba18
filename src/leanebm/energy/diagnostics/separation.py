r"""How far apart a head puts on-path and off-path states, and what it puts there.

Shapes: ``G`` groups, ``K`` negatives a group.
"""

from __future__ import annotations

import math

import numpy as np

from leanebm.energy.diagnostics._statistics import spearman, wins_against
from leanebm.energy.diagnostics.estimate import Estimate, Floats, macro_mean
from leanebm.energy.diagnostics.sibling_set import SiblingSet

__all__ = [
    "active_margin_fraction",
    "cross_theorem_pairwise",
    "energy_gap",
    "energy_spread",
    "same_theorem_pairwise",
    "spearman_remaining",
]

_SHORTEST_PROOF = 3


def energy_gap(siblings: SiblingSet) -> Estimate:
    r"""Standardised gap between siblings: :math:`d' = \sqrt2\,\overline D / \mathrm{sd}(D)`, :math:`D = E_n - E_p`.

    Taken over sibling pairs, so that what a whole theorem's energies share cancels. For two normal
    distributions of equal spread it is the distance of their means in standard deviations, and pairwise
    accuracy is :math:`\Phi(d' / \sqrt2)`: 0 is chance, 1.19 goes with 0.80.
    """
    gaps = _gaps(siblings)[siblings.mask]
    spread = float(gaps.std()) if len(gaps) else 0.0
    return Estimate.plain(math.sqrt(2.0) * float(gaps.mean()) / spread, len(gaps)) if spread > 0 else Estimate.nothing()


def active_margin_fraction(siblings: SiblingSet, energy_sd: float) -> Estimate:
    """Share of sibling pairs less than one standard unit apart, ``(E_n − E_p) / energy_sd < 1``.

    Near 0 nothing is left to learn from these pairs; near 1 the head has not begun to tell them apart.
    """
    gaps = _gaps(siblings)[siblings.mask]
    return Estimate.plain(float((gaps < energy_sd).mean()), len(gaps)) if len(gaps) else Estimate.nothing()


def energy_spread(siblings: SiblingSet) -> Estimate:
    """Standard deviation of all energies, in the head's own unit (it starts out near 1)."""
    energies = np.concatenate([siblings.positive_energy, siblings.negative_energy[siblings.mask]])
    return Estimate.plain(float(energies.std()), len(energies)) if len(energies) else Estimate.nothing()


def same_theorem_pairwise(siblings: SiblingSet, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Pairwise accuracy against negatives of the same theorem's *other* decision points; chance is 0.5."""
    own_theorem, _ = _wins_by_tier(siblings)
    return macro_mean(own_theorem, siblings.theorem, resamples=resamples, seed=seed)


def cross_theorem_pairwise(siblings: SiblingSet, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Pairwise accuracy against other theorems' negatives; chance is 0.5.

    These are the easy pairs: anything that correlates with being nearly done ranks them. A head that is
    good here and no better than chance among siblings has learnt what a search cannot use.
    """
    _, other_theorems = _wins_by_tier(siblings)
    return macro_mean(other_theorems, siblings.theorem, resamples=resamples, seed=seed)


def spearman_remaining(siblings: SiblingSet, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Rank correlation of energy with the tactics that remain, along each proof; mean over theorems.

    Counts proofs with at least three scored states of differing remaining depth. Chance is 0; a head whose
    energies fall as the proof nears its end has a positive one.
    """
    found, names = [], []
    for name in np.unique(siblings.theorem).tolist():
        own = siblings.theorem == name
        if own.sum() >= _SHORTEST_PROOF:
            found.append(_spearman_or_none(siblings.positive_energy[own], siblings.remaining[own].astype(float)))
            names.append(name)
    return macro_mean(found, names, resamples=resamples, seed=seed)


def _spearman_or_none(energy: Floats, remaining: Floats) -> float:
    if len(np.unique(remaining)) < 2:
        return math.nan  # nothing to correlate with
    value = spearman(energy, remaining)
    return 0.0 if math.isnan(value) else value  # a head that says one thing of every state orders none


def _gaps(siblings: SiblingSet) -> Floats:
    return np.asarray(siblings.negative_energy - siblings.positive_energy[:, None])


def _wins_by_tier(siblings: SiblingSet) -> tuple[Floats, Floats]:
    """Each positive's share of wins against its theorem's other negatives and other theorems', both ``[G]``."""
    positive, mask = siblings.positive_energy, siblings.mask
    all_wins, all_count = wins_against(positive, siblings.negative_energy[mask]), int(mask.sum())
    theorem_wins, theorem_count = np.zeros(len(siblings)), np.zeros(len(siblings))
    for name in np.unique(siblings.theorem):
        own = siblings.theorem == name
        theorem_wins[own] = wins_against(positive[own], siblings.negative_energy[own][mask[own]])
        theorem_count[own] = mask[own].sum()
    gaps = _gaps(siblings)
    sibling_wins = np.where(mask, (gaps > 0) + 0.5 * (gaps == 0), 0.0).sum(axis=1)
    return (
        _share(theorem_wins - sibling_wins, theorem_count - mask.sum(axis=1)),
        _share(all_wins - theorem_wins, all_count - theorem_count),
    )


def _share(wins: Floats, count: Floats) -> Floats:
    return np.where(count > 0, wins / np.maximum(count, 1), np.nan)
