"""Auxiliary term: energies are centred."""

from __future__ import annotations

import torch
from torch import Tensor

from leanebm.energy.losses._reduction import counted, weighted_mean

__all__ = ["centring"]


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
