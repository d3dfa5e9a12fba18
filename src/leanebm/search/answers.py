"""What parts answer, looked at before it is believed, so that a message names the part and not who asked it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from typing import Any

from leanebm._shown import shown
from leanebm.core import Candidate, EnergyModel, Leaf, ProofState, StateScorer, TacticPolicy
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


async def answer_of(part: object, method: str, *asked: object) -> Any:
    """What ``part.method`` answers.

    Raises:
        PartBroken: it cannot be awaited.
    """
    answer = getattr(part, method)(*asked)
    if not inspect.isawaitable(answer):
        raise PartBroken(
            f"{type(part).__name__}.{method} must be an `async def` that returns its answer; called, it gave "
            f"{shown(answer)}"
        )
    return await answer


async def scores_of(scorer: StateScorer, leaves: Sequence[Leaf]) -> list[float]:
    """What ``scorer`` gives ``leaves``. Raises as :func:`finite_numbers`, and what the scorer raises."""
    return finite_numbers(await answer_of(scorer, "score", leaves), len(leaves), scorer, "number per leaf")


async def energies_of(model: EnergyModel, states: Sequence[ProofState]) -> list[float]:
    """What ``model`` gives ``states``. Raises as :func:`finite_numbers`, and what the model raises."""
    return finite_numbers(await answer_of(model, "energies", states), len(states), model, "energy per state")


async def proposals_of(policy: TacticPolicy, state: ProofState, n: int) -> list[Candidate]:
    """What ``policy`` proposes. Raises as :func:`candidates_from`, and what the policy raises."""
    return candidates_from(policy, await answer_of(policy, "propose", state, n))


def candidates_from(giver: object, answer: object) -> list[Candidate]:
    """``answer`` itself, if it is candidates.

    Raises:
        PartBroken: it is not.
    """
    candidates = list(answer) if isinstance(answer, Iterable) else None
    if candidates is None or not all(isinstance(each, Candidate) for each in candidates):
        raise PartBroken(f"{type(giver).__name__} must give a list of Candidate; it gave {shown(answer)}")
    return candidates
