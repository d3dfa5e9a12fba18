"""Score by another scorer, the more the deeper."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
from attrs.validators import ge, gt, instance_of, lt

from leanebm._shown import fitting_repr
from leanebm.core import Leaf, StateScorer
from leanebm.search.answers import scores_of


@attrs.frozen(kw_only=True)
class DepthRamp:
    """``min(1, depth / full_at) · (score − centre)``: in a :class:`WeightedSum`, a term whose weight grows with depth.

    Near the root a learnt scorer has seen little that tells states apart, and a policy is asked best.
    """

    scorer: StateScorer

    full_at: int = attrs.field(default=4, validator=[instance_of(int), ge(1)])
    """Tactics from the root at which the scorer counts in full, at least 1."""

    centre: float = attrs.field(default=0.0, validator=[gt(-math.inf), lt(math.inf)])
    """The score's typical value, so that a state gains or loses by the ramp only where it is better or worse."""

    __repr__ = fitting_repr

    @property
    def reads_energy(self) -> bool | None:
        """Whether the scorer looks at a leaf's energy, as far as it says."""
        return getattr(self.scorer, "reads_energy", None)

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        """The scorer's number for each leaf, less its centre, and less of it near the root.

        Raises:
            EnergyError: the scorer could not score a leaf.
            PartBroken: the scorer did not give one number per leaf.
        """
        scores = await scores_of(self.scorer, leaves)
        return [
            min(1.0, leaf.depth / self.full_at) * (score - self.centre)
            for leaf, score in zip(leaves, scores, strict=True)
        ]
