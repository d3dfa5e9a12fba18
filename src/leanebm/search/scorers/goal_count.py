"""Score by the number of goals alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import attrs

from leanebm.core import Leaf


@attrs.frozen
class GoalCount:
    """``-goals``: a term of :class:`WeightedSum` that makes each goal left to prove cost something."""

    reads_energy: ClassVar[bool] = False

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        """The number of goals of each leaf, negated."""
        return [-float(len(leaf.state.goals)) for leaf in leaves]
