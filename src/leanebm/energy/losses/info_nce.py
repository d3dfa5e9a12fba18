"""Softmax cross-entropy over a group: which of these states is the positive?"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from leanebm.energy.losses._reduction import counted_pairs, weighted_mean

__all__ = ["info_nce"]


def info_nce(
    positive: Tensor,
    negative: Tensor,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    *,
    temperature: float = 1.0,
) -> Tensor:
    r"""Negative log-probability of picking the positive out of its group by a softmax over energies.

    .. math:: \ell_b = -\ln \frac{e^{-E_p/\tau}}{e^{-E_p/\tau} + \sum_k w_k\, e^{-E_{n_k}/\tau}}

    and the loss is the mean of :math:`\ell_b` over the groups that have a negative.

    The negatives of lowest energy get nearly all of the gradient. That is hard-negative mining for free where
    negatives are truly negative, and trouble where the lowest ones are in fact provable: compare
    :func:`~leanebm.energy.losses.bradley_terry`.

    Args:
        positive: energies ``[B]``.
        negative: energies ``[B, K]``.
        mask: ``[B, K]``, true where a negative stands.
        weight: ``[B, K]``, at least 0.
        temperature: ``τ``, above 0, in units of energy. The head learns a scale of its own, so 1 is a good choice.

    Returns:
        A scalar; ``ln(K + 1)`` where all energies are equal.

    Raises:
        ValueError: shapes do not fit one another.

    Example:
        >>> import torch
        >>> from leanebm.energy.losses import info_nce
        >>> loss = info_nce(torch.tensor([0.0]), torch.zeros(1, 7))
        >>> round(loss.item(), 4)
        2.0794

    References:
        A. van den Oord, Y. Li, O. Vinyals, *Representation learning with contrastive predictive coding* (2018),
        arXiv:1807.03748.
        Z. Cao et al., *Learning to rank: from pairwise approach to listwise approach*, ICML 2007 (its top-one case).
    """
    positives, negatives, weights = counted_pairs(positive, negative, mask, weight)
    counts = weights > 0.0
    multiplicity = torch.log(torch.where(counts, weights, 1.0))
    logits = torch.where(counts, multiplicity - negatives / temperature, -math.inf)
    scores = torch.cat((-positives / temperature, logits), dim=1)
    losses = torch.logsumexp(scores, dim=1) - scores[:, 0]
    return weighted_mean(losses, counts.any(dim=1).to(losses.dtype))
