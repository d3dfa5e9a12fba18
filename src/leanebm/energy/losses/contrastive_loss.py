"""The one signature of the losses that compare a positive with its negatives."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

__all__ = ["ContrastiveLoss"]


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
