"""Terms beside the ranking loss: path order, remaining depth, and centring."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what everyone calls it

from leanebm.energy.losses._reduction import counted, weighted_mean
from leanebm.energy.losses.ranking import bradley_terry


def centring(energies: Tensor, mask: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
    r"""The squared mean energy, :math:`\bigl(\sum w E / \sum w\bigr)^2`.

    Comparisons leave the energies' origin free to drift; a thousandth of this term, added to the loss, pins it
    without touching their order.

    Args:
        energies: of any shape.
        mask: of the same shape, true where a state stands; all, if ``None``.
        weight: of the same shape, at least 0; 1 each, if ``None``.

    Returns:
        A scalar; 0 where nothing counts.

    Raises:
        ValueError: shapes do not fit one another.

    Example:
        >>> import torch
        >>> from leanebm.energy.losses import centring
        >>> centring(torch.tensor([1.0, 3.0]))
        tensor(4.)
    """
    weights = counted(energies, mask, weight)
    return weighted_mean(torch.where(weights > 0.0, energies, 0.0), weights).square()


def path_order(
    earlier: Tensor,
    later: Tensor,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    *,
    label_smoothing: float = 0.05,
) -> Tensor:
    r"""Bradley–Terry between two states of one proof: the one nearer to its end is the more provable.

    .. math:: \ell(i, j) = -(1 - \varepsilon) \ln \varsigma(E_i - E_j) - \varepsilon \ln \varsigma(E_j - E_i),
              \qquad i \text{ before } j

    and the term is :math:`\sum w\,\ell / \sum w`. Siblings alone leave the energies of different decision points
    unrelated; a best-first search compares them all, and this term gives them one scale.

    Args:
        earlier: energies ``[P]`` of states, each before its partner on the same proof.
        later: energies ``[P]`` of the partners.
        mask: ``[P]``, true where a pair stands; all, if ``None``.
        weight: ``[P]``, at least 0; 1 each, if ``None``.
        label_smoothing: ``ε``, in [0, 0.5); finite gaps are best if it is above 0.

    Returns:
        A scalar.

    Raises:
        ValueError: shapes do not fit one another.

    Example:
        >>> import torch
        >>> from leanebm.energy.losses import path_order
        >>> falling = path_order(torch.tensor([3.0]), torch.tensor([1.0]))
        >>> rising = path_order(torch.tensor([1.0]), torch.tensor([3.0]))
        >>> (falling < rising).item()
        True

    References:
        The path pairs of *InternLM2.5-StepProver* (2024), arXiv:2410.15700.
    """
    weights = counted(earlier, mask, weight)
    return bradley_terry(later, earlier.unsqueeze(1), None, weights.unsqueeze(1), label_smoothing=label_smoothing)


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


class DepthReadout(nn.Module):
    r""":math:`y = e^{a} E + b`, two learnable numbers; for training only, not part of a checkpoint.

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
