"""Score by the probability of the path, less biased towards short paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import attrs
from attrs.validators import ge

from leanebm.core import Leaf


@attrs.frozen
class LengthNormalisedLogProb:
    r"""``Σ log p / L^α`` for a path of ``L`` tactics: the baseline that an energy has to beat.

    Exploration grows with ``α``: 0 is :class:`CumulativeLogProb`, 1 the mean of a path's
    log-probabilities, and above 1 a deep path wins over a likelier shallow one. The root scores 0.

    The formula is that of BFS-Prover (Xin et al., 2025, https://arxiv.org/abs/2502.03438), with
    ``L`` counted in tactics.
    """

    alpha: float = attrs.field(default=0.5, validator=ge(0.0))
    """Exponent of the length, at least 0."""

    reads_energy: ClassVar[bool] = False

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        """Normalised log-probability of each path, at most 0."""
        return [leaf.path_log_prob / max(leaf.depth, 1) ** self.alpha for leaf in leaves]
