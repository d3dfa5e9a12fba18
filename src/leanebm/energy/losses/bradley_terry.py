"""Pairwise logistic loss with label smoothing: the default."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - what everyone calls it

from leanebm.energy.losses._reduction import counted_pairs, weighted_mean

__all__ = ["bradley_terry"]


def bradley_terry(
    positive: Tensor,
    negative: Tensor,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    *,
    label_smoothing: float = 0.05,
) -> Tensor:
    r"""Negative log-likelihood of "the positive is the more provable" under Bradley and Terry's model.

    A pair's probability is the logistic function of its energy gap, :math:`P(p \succ n) = \varsigma(E_n - E_p)`;
    of a share :math:`\varepsilon` of the pairs we believe the opposite:

    .. math:: \ell(p, n) = -(1 - \varepsilon) \ln \varsigma(E_n - E_p) - \varepsilon \ln \varsigma(E_p - E_n)

    and the loss is :math:`\sum w\,\ell / \sum w` over all pairs of the batch.

    Each pair pulls with a force of at most 1 times its weight, however low the negative's energy, and with
    :math:`\varepsilon > 0` a gap of :math:`\ln((1-\varepsilon)/\varepsilon)` is best: 2.94 at 0.05. A negative that
    is in truth provable can thus do only bounded harm, which is why this loss is the default; InfoNCE instead
    pulls hardest on the lowest negative, the likeliest to be such a one.

    Args:
        positive: energies ``[B]``.
        negative: energies ``[B, K]``.
        mask: ``[B, K]``, true where a negative stands.
        weight: ``[B, K]``, at least 0.
        label_smoothing: ``ε``, share of pairs believed to be labelled the wrong way round, in [0, 0.5).

    Returns:
        A scalar; ``ln 2`` where all energies are equal.

    Raises:
        ValueError: shapes do not fit one another.

    Example:
        >>> import torch
        >>> from leanebm.energy.losses import bradley_terry
        >>> loss = bradley_terry(torch.tensor([0.0]), torch.tensor([[0.0, 0.0]]))
        >>> round(loss.item(), 4)
        0.6931

    References:
        R. A. Bradley, M. E. Terry, *Rank analysis of incomplete block designs*, Biometrika 39 (1952).
        C. Burges et al., *Learning to rank using gradient descent*, ICML 2005.
        The smoothing is that of E. Mitchell's *A note on DPO with noisy preferences* (2023).
    """
    positives, negatives, weights = counted_pairs(positive, negative, mask, weight)
    gaps = positives - negatives
    # ln ς(−g) = −softplus(g) and softplus(−g) = softplus(g) − g, so the two terms collapse into one.
    return weighted_mean(F.softplus(gaps) - label_smoothing * gaps, weights)
