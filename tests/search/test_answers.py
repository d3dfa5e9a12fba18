from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from leanebm.core import Candidate, Leaf, SearchOutcome, Theorem
from leanebm.errors import PartBroken
from leanebm.search import (
    BestFirstSearch,
    DepthRamp,
    DistinctHeadsSearch,
    NegativeEnergy,
    PortfolioSearch,
    WeightedSum,
    WeightedTerm,
)
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

WORLD = ToyWorld.countdown(8)
FIVE = Theorem(name="five", statement="5")
PARTS: dict[str, Any] = {
    "policy": ScriptedPolicy.over(WORLD),
    "environment": WORLD,
    "certifier": ToyCertifier(WORLD),
}


@pytest.mark.parametrize("numbers", [None, ["high"], [None], 3.0, [], [1.0, 2.0], {"a": 1.0}, [[1.0]]])
@pytest.mark.parametrize("part", ["scorer", "other scorer", "term", "ramp", "priority", "energy"])
async def test_answers_of_another_shape_are_their_givers_broken_contract(part: str, numbers: Any) -> None:
    class Odd:
        async def score(self, _: Sequence[Leaf]) -> Sequence[float]:
            return numbers  # type: ignore[no-any-return]

        energies = score

    class OddPriority(BestFirstSearch):
        async def priority(self, *_: object) -> Sequence[float]:
            return numbers  # type: ignore[no-any-return]

    odd: Any = Odd()
    searches: dict[str, Callable[[], BestFirstSearch]] = {
        "scorer": lambda: BestFirstSearch(scorer=odd, **PARTS),
        "other scorer": lambda: PortfolioSearch(other=odd, **PARTS),
        "term": lambda: BestFirstSearch(scorer=WeightedSum((WeightedTerm(scorer=odd),)), **PARTS),
        "ramp": lambda: BestFirstSearch(scorer=DepthRamp(scorer=odd), **PARTS),
        "priority": lambda: OddPriority(**PARTS),
        "energy": lambda: BestFirstSearch(energy=odd, scorer=NegativeEnergy(), **PARTS),
    }
    with pytest.raises(PartBroken, match=r"Odd\w* must give one finite (number per leaf|energy per state)"):
        await searches[part]().run(FIVE)


class Unawaitable:
    """Has the methods of every part, as plain functions or as generators, which are what people write first."""

    def score(self, leaves: Sequence[Leaf]) -> Any:
        return [0.0 for _ in leaves]

    async def energies(self, states: Sequence[Any]) -> Any:
        for _ in states:
            yield 0.0

    def propose(self, *_: object) -> Any:
        return [Candidate("decrement", -1.0)]


class Texts:
    async def propose(self, *_: object) -> Any:
        return ["decrement"]


class NoProposal:
    async def propose(self, *_: object) -> Any:
        return None


class OddExpansion(BestFirstSearch):
    async def expand(self, *_: object) -> Any:
        return None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"scorer": Unawaitable()}, r"Unawaitable\.score must be an `async def` that returns its answer"),
        ({"energy": Unawaitable()}, r"Unawaitable\.energies must be an `async def` that returns its answer"),
        ({"policy": Unawaitable()}, r"Unawaitable\.propose must be an `async def` that returns its answer"),
        ({"policy": Texts()}, r"Texts must give a list of Candidate; it gave \['decrement'\]"),
        ({"policy": NoProposal()}, "NoProposal must give a list of Candidate; it gave None"),
        ({"search": OddExpansion}, "OddExpansion must give a list of Candidate; it gave None"),
        (
            {"search": functools.partial(DistinctHeadsSearch, oversampling=2), "policy": Texts()},
            "Texts must give a list",
        ),
    ],
)
async def test_an_answer_that_is_none_names_the_part_and_not_who_asked_it(changed: dict[str, Any], said: str) -> None:
    parts = PARTS | changed
    search = parts.pop("search", BestFirstSearch)(**parts)
    with pytest.raises(PartBroken, match=said):
        await search.run(FIVE)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400])
async def test_a_number_that_is_not_finite_is_one_searchs_failure(number: float) -> None:
    class Overflowing:
        async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
            return [number for _ in leaves]

    search = BestFirstSearch(scorer=WeightedSum((WeightedTerm(scorer=Overflowing()),)), **PARTS)
    result = await search.run(FIVE)
    assert result.outcome is SearchOutcome.INFRASTRUCTURE
    assert "Overflowing must give one finite number per leaf" in str(result.error)
