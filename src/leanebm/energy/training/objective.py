"""What one training step makes small.

Shapes: ``B`` groups, ``K`` negatives a group, ``N`` states, ``D`` width.
"""

from __future__ import annotations

from functools import partial
from typing import assert_never

import attrs
import torch
from torch import Tensor

from leanebm.energy.head import EnergyHead
from leanebm.energy.losses import (
    ContrastiveLoss,
    DepthReadout,
    bradley_terry,
    centring,
    info_nce,
    listwise,
    margin,
    path_order,
    remaining_depth,
)
from leanebm.energy.training.config import ObjectiveConfig, RankingLoss
from leanebm.energy.training.sampler import GroupBatch

__all__ = ["Objective"]


@attrs.frozen(kw_only=True, eq=False)
class Objective:
    r"""The terms of one batch, scalars, and their weighted sum.

    .. math:: L = L_\text{ranking} + \lambda_p L_\text{path} + \lambda_d L_\text{depth} + \lambda_c L_\text{center}
    """

    total: Tensor
    ranking: Tensor
    path: Tensor
    depth: Tensor
    center: Tensor
    positive: Tensor
    """Energies of the positives, ``[B]``, detached."""

    negative: Tensor
    """Energies of the negatives, ``[B, K]``, detached; arbitrary where the batch's mask is false."""

    @classmethod
    def of(
        cls, head: EnergyHead, readout: DepthReadout, states: Tensor, batch: GroupBatch, config: ObjectiveConfig
    ) -> Objective:
        """Score the batch's states in one forward, and compare them.

        Args:
            head: the head, in training mode.
            readout: turns its energies into remaining depths.
            states: embeddings ``[N, D]`` that the batch's numbers are rows of.
            batch: what to look at.
            config: which terms, and how much of each.
        """
        device = states.device
        rows = torch.from_numpy(batch.rows).to(device)
        mask = torch.from_numpy(batch.mask).to(device)
        positive, negative, along_path = head(states[rows]).split(batch.sizes)
        negative = negative.view(mask.shape)
        remaining = torch.from_numpy(batch.remaining_depth).to(device)
        is_later = torch.from_numpy(batch.along_path_remaining < batch.remaining_depth).to(device)
        ranking = _ranking_loss(config)(positive, negative, mask, torch.from_numpy(batch.weight).to(device))
        path = path_order(
            torch.where(is_later, positive, along_path),
            torch.where(is_later, along_path, positive),
            torch.from_numpy(batch.has_path).to(device),
            label_smoothing=config.label_smoothing,
        )
        depth = remaining_depth(readout(positive), remaining)
        center = centring(torch.cat([positive, negative[mask]]))
        return cls(
            total=ranking + config.path_weight * path + config.depth_weight * depth + config.center_weight * center,
            ranking=ranking.detach(),
            path=path.detach(),
            depth=depth.detach(),
            center=center.detach(),
            positive=positive.detach(),
            negative=negative.detach(),
        )

    def figures(self, batch: GroupBatch) -> dict[str, float]:
        """What to log of the batch."""
        mask = torch.from_numpy(batch.mask).to(self.negative.device)
        is_sibling = torch.from_numpy(batch.is_sibling & batch.mask).to(self.negative.device)
        gaps = (self.negative - self.positive[:, None])[is_sibling]
        negative = self.negative[mask]
        of_all = torch.cat([self.positive, negative])
        figures = {
            "loss": self.total.detach(),
            "ranking": self.ranking,
            "path": self.path,
            "depth": self.depth,
            "center": self.center,
            "e_pos_mean": self.positive.mean(),
            "e_std": of_all.std(correction=0),
        }
        if len(negative):
            figures["e_neg_mean"] = negative.mean()
        if len(gaps):
            figures["pairwise_sibling"] = (gaps > 0).float().mean() + 0.5 * (gaps == 0).float().mean()
        return {name: float(value) for name, value in figures.items()}


def _ranking_loss(config: ObjectiveConfig) -> ContrastiveLoss:
    match config.loss:
        case RankingLoss.BRADLEY_TERRY:
            return partial(bradley_terry, label_smoothing=config.label_smoothing)
        case RankingLoss.INFO_NCE:
            return partial(info_nce, temperature=config.temperature)
        case RankingLoss.MARGIN:
            return partial(margin, width=config.margin)
        case RankingLoss.LISTWISE:
            return partial(listwise, temperature=config.temperature)
        case _:
            assert_never(config.loss)
