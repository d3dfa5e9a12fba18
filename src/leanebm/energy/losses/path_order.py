"""Auxiliary term: energies fall along a proof."""

from __future__ import annotations

from torch import Tensor

from leanebm.energy.losses._reduction import counted
from leanebm.energy.losses.bradley_terry import bradley_terry

__all__ = ["path_order"]


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
