"""Score by several scorers at once, each in its own standard units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import attrs
from attrs.validators import deep_iterable, gt, instance_of, lt, min_len

from leanebm._shown import fitting_repr
from leanebm.core import Leaf, StateScorer
from leanebm.search.answers import scores_of


@attrs.frozen(kw_only=True)
class WeightedTerm:
    """``weight · (score − centre) / scale``."""

    scorer: StateScorer

    weight: float = attrs.field(default=1.0, validator=[gt(-math.inf), lt(math.inf)])
    """How much one standard unit of this term counts, finite; negative turns the order round."""

    centre: float = attrs.field(default=0.0, validator=[gt(-math.inf), lt(math.inf)])
    """The score's typical value, in the scorer's own unit. It moves all leaves alike, so it only
    makes priorities readable."""

    scale: float = attrs.field(default=1.0, validator=[gt(0.0), lt(math.inf)])
    """The score's typical spread (one standard deviation on validation frontiers), above 0 and finite."""

    __repr__ = fitting_repr


def _as_tuple(terms: Iterable[WeightedTerm]) -> tuple[WeightedTerm, ...]:
    return tuple(terms)


@attrs.frozen
class WeightedSum:
    """The sum of its terms, so that a policy's and an energy's opinions can be traded in one unit.

    ``WeightedSum((WeightedTerm(scorer=LengthNormalisedLogProb(), scale=s_lp), WeightedTerm(scorer=NegativeEnergy(),
    weight=beta, centre=-mu, scale=s)))`` is the policy's opinion plus ``beta`` standard deviations of the
    energy's. A term of weight 0 is scored all the same: its failures count, and so does its time.
    """

    terms: tuple[WeightedTerm, ...] = attrs.field(
        converter=_as_tuple, validator=[min_len(1), deep_iterable(instance_of(WeightedTerm))]
    )

    __repr__ = fitting_repr

    @property
    def reads_energy(self) -> bool | None:
        """Whether a term looks at a leaf's energy; ``None`` if no term says yes and one does not say."""
        said = [getattr(term.scorer, "reads_energy", None) for term in self.terms]
        return True if any(said) else None if None in said else False

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        """The weighted sum for each leaf, in standard units.

        Raises:
            EnergyError: a term could not score a leaf.
            PartBroken: a term did not give one number per leaf.
        """
        totals = [0.0] * len(leaves)
        for term in self.terms:
            for i, score in enumerate(await scores_of(term.scorer, leaves)):
                totals[i] += term.weight * (score - term.centre) / term.scale
        return totals
