"""Hinge loss on energy gaps, in standard units."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - what everyone calls it

from leanebm.energy.losses._reduction import counted_pairs, weighted_mean

__all__ = ["margin"]

_TINY_VARIANCE = 1e-12
"""Keeps the gradient finite where all energies are equal."""


def margin(
    positive: Tensor,
    negative: Tensor,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    *,
    width: float = 1.0,
) -> Tensor:
    r"""How far pairs fall short of a margin, measured in standard deviations of the batch's energies.

    .. math:: \ell(p, n) = \max\Bigl(0,\; m + \frac{E_p - E_n}{s}\Bigr),
              \qquad s^2 = \frac{\sum w\,\bigl[(E_p - \mu)^2 + (E_n - \mu)^2\bigr]}{2 \sum w},
              \qquad \mu = \frac{\sum w\,(E_p + E_n)}{2 \sum w}

    and the loss is :math:`\sum w\,\ell / \sum w`; all sums go over the pairs of the batch.

    A pair that keeps the margin gets no gradient, so hard pairs are mined by themselves. Where we depart from
    the textbook: gaps are divided by :math:`s`. A hinge on raw energies is won by blowing the head's scale up
    (or a temperature down) instead of by ranking; this one is the same for :math:`E` and :math:`cE + d` with
    :math:`c > 0`, so that its gradient with respect to ``log_scale`` is zero. It therefore compares groups with one
    another: in a batch with a single pair it is constant.

    Args:
        positive: energies ``[B]``.
        negative: energies ``[B, K]``.
        mask: ``[B, K]``, true where a negative stands.
        weight: ``[B, K]``, at least 0.
        width: ``m``, in standard deviations, in (0, 2): perfectly separated energies are 2 apart.

    Returns:
        A scalar; ``width`` where all energies are equal.

    Raises:
        ValueError: shapes do not fit one another.

    Example:
        >>> import torch
        >>> from leanebm.energy.losses import margin
        >>> energies = torch.tensor([0.0, 1.0]), torch.tensor([[3.0], [0.0]])
        >>> margin(*energies) == margin(*(100 * e for e in energies))
        tensor(True)

    References:
        K. Crammer, Y. Singer, *Pranking with ranking*, NeurIPS 2001; T. Joachims, *Optimizing search engines using
        clickthrough data*, KDD 2002.
    """
    positives, negatives, weights = counted_pairs(positive, negative, mask, weight)
    centre = weighted_mean(0.5 * (positives + negatives), weights)
    variance = weighted_mean(0.5 * ((positives - centre).square() + (negatives - centre).square()), weights)
    gaps = (positives - negatives) / torch.sqrt(variance + _TINY_VARIANCE)
    return weighted_mean(F.relu(width + gaps), weights)
