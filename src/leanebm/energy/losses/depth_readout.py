"""The affine read-out that turns an energy into a remaining depth."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["DepthReadout"]


class DepthReadout(nn.Module):
    r""":math:`y = e^{a} E + b`, two learnable numbers; for training only, no part of a checkpoint.

    The slope is positive by construction: a state further from its proof's end must have the *higher* energy, and
    a slope free to change sign could satisfy :func:`~leanebm.energy.losses.remaining_depth` the wrong way round.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_slope = nn.Parameter(torch.zeros(()))
        self.intercept = nn.Parameter(torch.zeros(()))

    def forward(self, energies: Tensor) -> Tensor:
        """The predicted ``ln(1 + remaining)``, of the shape of ``energies``."""
        return torch.exp(self.log_slope) * energies + self.intercept
