"""Auxiliary term: an energy tells how many tactics are left."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - what everyone calls it

from leanebm.energy.losses._reduction import counted, weighted_mean

__all__ = ["remaining_depth"]


def remaining_depth(
    prediction: Tensor,
    remaining: Tensor,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    *,
    threshold: float = 1.0,
) -> Tensor:
    r"""Smooth L1 distance between a read-out of the energy and the logarithm of the tactics that are left.

    With a prediction :math:`y = aE + b` (:class:`~leanebm.energy.losses.DepthReadout`), :math:`r` tactics left and
    the error :math:`e = y - \ln(1 + r)`,

    .. math:: \ell = \begin{cases} e^2 / 2\delta & |e| < \delta \\ |e| - \delta/2 & \text{else} \end{cases}

    and the term is :math:`\sum w\,\ell / \sum w` over the states whose remaining depth is known. The logarithm
    makes 1 against 2 matter as much as 10 against 21.

    Args:
        prediction: ``y [P]``.
        remaining: ``r [P]``, tactics to the end of the proof; negative where nobody knows, which masks the state.
        mask: ``[P]``, true where a state stands; all, if ``None``.
        weight: ``[P]``, at least 0; 1 each, if ``None``.
        threshold: ``δ``, above 0: errors beyond it count linearly.

    Returns:
        A scalar.

    Raises:
        ValueError: shapes do not fit one another.

    Example:
        >>> import math, torch
        >>> from leanebm.energy.losses import remaining_depth
        >>> prediction = torch.tensor([math.log(4.0) + 0.5, 7.0])
        >>> round(remaining_depth(prediction, torch.tensor([3, -1])).item(), 4)
        0.125

    References:
        P. J. Huber, *Robust estimation of a location parameter*, Ann. Math. Statist. 35 (1964); as Smooth L1:
        R. Girshick, *Fast R-CNN*, ICCV 2015. Steps-to-go as a critic's target: *HunyuanProver* (2024),
        arXiv:2412.20735.
    """
    if remaining.shape != prediction.shape:
        raise ValueError(f"remaining must have shape {list(prediction.shape)}, got {list(remaining.shape)}")
    weights = torch.where(remaining >= 0, counted(prediction, mask, weight), 0.0)
    counts = weights > 0.0
    target = torch.log1p(torch.where(counts, remaining, 0).to(prediction.dtype))
    losses = F.smooth_l1_loss(torch.where(counts, prediction, 0.0), target, reduction="none", beta=threshold)
    return weighted_mean(losses, weights)
