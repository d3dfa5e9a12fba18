"""What the losses share: which entries count, and how they are averaged.

Shapes: ``B`` groups, ``K`` negatives of a group, ``P`` entries.
"""

from __future__ import annotations

import torch
from torch import Tensor


def counted(values: Tensor, mask: Tensor | None, weight: Tensor | None) -> Tensor:
    """The weight of each entry: ``weight`` (1 if there is none) where ``mask`` says so, else exactly 0.

    Raises:
        ValueError: the mask or the weight has another shape than the values, or the mask is not boolean.
    """
    for name, given in (("mask", mask), ("weight", weight)):
        if given is not None and given.shape != values.shape:
            raise ValueError(f"{name} must have shape {list(values.shape)}, got {list(given.shape)}")
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(f"mask must be boolean, got {mask.dtype}")
    given = torch.ones_like(values) if weight is None else weight.to(values.dtype)
    # Selected, not multiplied: whatever stands in a masked place, NaN included, must not get through.
    return given.detach() if mask is None else torch.where(mask, given, 0.0).detach()


def counted_pairs(
    positive: Tensor, negative: Tensor, mask: Tensor | None, weight: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The energies with 0 in each place that does not count, and the pairs' weights.

    Returns:
        Positives ``[B, 1]``, negatives ``[B, K]`` and weights ``[B, K]``.

    Raises:
        ValueError: shapes do not fit one another.
    """
    if positive.ndim != 1 or negative.ndim != 2 or len(positive) != len(negative):
        raise ValueError(
            f"positive must have shape [B] and negative [B, K], got {list(positive.shape)} and {list(negative.shape)}"
        )
    weights = counted(negative, mask, weight)
    counts = weights > 0.0
    positives = torch.where(counts.any(dim=1), positive, 0.0).unsqueeze(1)
    return positives, torch.where(counts, negative, 0.0), weights


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """``Σ w x / Σ w``, a scalar; 0, with zero gradients, where nothing counts."""
    total = weights.sum()
    return (weights * values).sum() / torch.where(total > 0.0, total, 1.0)
