"""What a head says of decision points, measured while it is trained."""

from __future__ import annotations

import copy
from typing import Final, Self

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from leanebm._shown import fitting_repr
from leanebm.energy.diagnostics import Estimate, sibling_pairwise, sibling_rank1, sibling_rank1_random
from leanebm.energy.head import EnergyHead
from leanebm.energy.training.contrastive_data import ContrastiveData

Floats = NDArray[np.float32]

_MAX_BATCH: Final = 8192
"""States in one forward; bounds memory (a 2048-wide layer of them is 64 MiB)."""


def state_energies(head: EnergyHead, states: torch.Tensor) -> Floats:
    """Energies ``[N]`` of ``states [N, D]``, in evaluation mode and where ``states`` are.

    A copy of the head is asked, so that measuring leaves no trace in it, not even in its count of draws: a
    checkpoint of it gives these very numbers again. A frozen head stays frozen.
    """
    scorer = copy.deepcopy(head).to(states.device).eval()
    with torch.no_grad():
        energies: Floats = torch.cat([scorer(part) for part in torch.split(states, _MAX_BATCH)]).cpu().numpy()
    return energies


@attrs.frozen(kw_only=True, eq=False)
class SiblingEnergies:
    """Energies of ``G`` positives and of their up to ``K`` siblings each."""

    positive: Floats
    """``[G]``."""

    negative: Floats
    """``[G, K]``; arbitrary where ``mask`` is false."""

    mask: NDArray[np.bool_]
    """Which siblings exist, ``[G, K]``."""

    theorem: NDArray[np.int64]
    """``[G]``."""

    __repr__ = fitting_repr

    @classmethod
    def of(cls, data: ContrastiveData, energies: Floats) -> Self:
        """Lay out the energies ``[N]`` of all states of ``data``."""
        padded, mask = data.siblings
        return cls(positive=energies[data.positive], negative=energies[padded], mask=mask, theorem=data.theorem)

    @classmethod
    def of_sample(cls, data: ContrastiveData, groups: NDArray[np.int64], head: EnergyHead) -> Self:
        """Score the candidates of some groups only."""
        padded, mask = data.siblings
        rows = np.unique(np.concatenate([data.positive[groups], padded[groups][mask[groups]]]))
        energies = np.zeros(len(data.states), dtype=np.float32)
        energies[rows] = state_energies(head, data.states[torch.from_numpy(rows).to(data.states.device)])
        return cls(
            positive=energies[data.positive[groups]],
            negative=energies[padded[groups]],
            mask=mask[groups],
            theorem=data.theorem[groups],
        )

    def pairwise(self, *, resamples: int = 2000) -> Estimate:
        """Pairwise accuracy among siblings, macro by theorem; with ``resamples=0``, without an interval."""
        return sibling_pairwise(self.positive, self.negative, self.mask, self.theorem, resamples=resamples)

    def metrics(self) -> dict[str, float]:
        """Figures without intervals, cheap enough to be taken often."""
        of_all = np.concatenate([self.positive, self.negative[self.mask]])
        ranks = self.positive, self.negative, self.mask, self.theorem
        return {
            "pairwise_sibling": value_of(self.pairwise(resamples=0)),
            "rank1_sibling": value_of(sibling_rank1(*ranks, resamples=0)),
            "rank1_random": value_of(sibling_rank1_random(self.mask, self.theorem)),
            "e_pos_mean": float(self.positive.mean()),
            "e_neg_mean": float(self.negative[self.mask].mean()),
            "e_std": float(of_all.std()),
        }


def value_of(estimate: Estimate) -> float:
    """The figure itself; ``nan`` where there was nothing to measure."""
    return float("nan") if estimate.value is None else estimate.value
