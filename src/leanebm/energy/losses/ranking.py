"""Losses that compare a positive with its negatives, behind one signature."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - what everyone calls it

from leanebm.energy.losses._reduction import counted_pairs, weighted_mean


class ContrastiveLoss(Protocol):
    """A function of the energies of groups, each a state on a proof's path and its siblings off the path.

    All losses of this package keep to these conventions:

    * **Polarity.** Lower energy = more provable: a loss falls when a positive's energy falls.
    * **Axes.** ``B`` groups, ``K`` places for negatives in a group; groups with fewer are padded and masked.
    * **Mask.** A masked place counts for nothing: its energy may be NaN, its gradient is exactly zero. So may
      the positive of a group that has no negative left.
    * **Weight.** A weight is a multiplicity: to weigh a negative by 2 is to have it twice. A weight of 0 masks.
      Weights get no gradient.
    * **Reduction.** A scalar mean (each loss says over what); 0 for a batch in which nothing counts.
    * **Order.** Permuting a group's negatives, with their masks and weights, changes nothing.

    Settings of a loss (margin, smoothing …) are keyword arguments with defaults; bind others with
    :func:`functools.partial`.
    """

    def __call__(
        self, positive: Tensor, negative: Tensor, mask: Tensor | None = None, weight: Tensor | None = None, /
    ) -> Tensor:
        """The loss of a batch.

        Args:
            positive: energies ``[B]`` of states on a path.
            negative: energies ``[B, K]`` of their siblings.
            mask: ``[B, K]``, true where a negative stands; all, if ``None``.
            weight: ``[B, K]``, at least 0; 1 each, if ``None``.

        Returns:
            A scalar.

        Raises:
            ValueError: shapes do not fit one another.
        """
        ...


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

    It is bounded by 1 per group, and flat for groups that are hopelessly wrong as for those that are right: the
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
