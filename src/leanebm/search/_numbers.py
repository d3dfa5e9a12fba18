"""What scorers and energy models answer, looked at before it is believed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress

from leanebm._shown import shown
from leanebm.core import Leaf, StateScorer
from leanebm.errors import EnergyError, PartBroken


def finite_numbers(numbers: Sequence[float], count: int, giver: object, what: str) -> list[float]:
    """What ``giver`` said, as plain floats: a tensor's numbers compare like those, but no column of a file takes them.

    Raises:
        PartBroken: it is not ``count`` numbers in an order, so that no other answer can be expected to be.
        EnergyError: some of these numbers are not finite, which may be so for these states only.
    """
    kind: type[PartBroken | EnergyError] = PartBroken
    with suppress(TypeError):  # what has no length, or is no number
        if len(numbers) == count and not isinstance(numbers, Mapping | Set):
            if all(map(_is_finite, numbers)):
                return [float(number) for number in numbers]
            kind = EnergyError
    raise kind(f"{type(giver).__name__} must give one finite {what}; where {count} were due it gave {shown(numbers)}")


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer beyond every float
        return False


async def scores_of(scorer: StateScorer, leaves: Sequence[Leaf]) -> list[float]:
    """What ``scorer`` gives ``leaves``. Raises as :func:`finite_numbers`, and what the scorer raises."""
    return finite_numbers(await scorer.score(leaves), len(leaves), scorer, "number per leaf")
