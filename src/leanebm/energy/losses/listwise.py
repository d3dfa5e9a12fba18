"""A smooth version of the rank that a group gives its positive."""

from __future__ import annotations

import torch
from torch import Tensor

from leanebm.energy.losses._reduction import counted_pairs, weighted_mean

__all__ = ["listwise"]


def listwise(
    positive: Tensor,
    negative: Tensor,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    *,
    temperature: float = 1.0,
) -> Tensor:
    r"""Approximate NDCG: one minus the discounted gain of the rank at which a group places its positive.

    A group's rank of its positive, with steps replaced by logistic functions, and the loss of that rank are

    .. math:: r_b = 1 + \sum_k w_k\, \varsigma\Bigl(\frac{E_p - E_{n_k}}{\tau}\Bigr),
              \qquad \ell_b = 1 - \frac{1}{\log_2(1 + r_b)}

    and the loss is the mean of :math:`\ell_b` over the groups that have a negative. A group has one relevant state,
    so its ideal gain is 1.

    It is bounded by 1 a group, and flat for groups that are hopelessly wrong as for those that are right: the
    gradient works on the positives that are nearly first, as a best-first search does.

    Args:
        positive: energies ``[B]``.
        negative: energies ``[B, K]``.
        mask: ``[B, K]``, true where a negative stands.
        weight: ``[B, K]``, at least 0.
        temperature: ``τ``, above 0, in units of energy: how sharp the steps are.

    Returns:
        A scalar in [0, 1).

    Raises:
        ValueError: shapes do not fit one another.

    Example:
        >>> import torch
        >>> from leanebm.energy.losses import listwise
        >>> loss = listwise(torch.tensor([0.0]), torch.zeros(1, 4))  # third of five
        >>> round(loss.item(), 4)
        0.5

    References:
        T. Qin, T.-Y. Liu, H. Li, *A general approximation framework for direct optimization of information
        retrieval measures*, Information Retrieval 13 (2010).
    """
    positives, negatives, weights = counted_pairs(positive, negative, mask, weight)
    ranks = 1.0 + (weights * torch.sigmoid((positives - negatives) / temperature)).sum(dim=1)
    losses = 1.0 - 1.0 / torch.log2(1.0 + ranks)
    return weighted_mean(losses, (weights > 0.0).any(dim=1).to(losses.dtype))
