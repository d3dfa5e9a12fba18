"""Score by the probability of the whole path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import attrs

from leanebm.core import Leaf


@attrs.frozen
class CumulativeLogProb:
    """``Σ log p`` over the path: the search expands the most probable path first, and so prefers short ones."""

    reads_energy: ClassVar[bool] = False

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        """Natural logarithm of each path's probability, at most 0."""
        return [leaf.path_log_prob for leaf in leaves]
