from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from leanebm.core import Candidate, Leaf, ProofEnvironment, SearchOutcome, Theorem
from leanebm.errors import (
    ConfigError,
    EncoderError,
    EnergyError,
    LeanError,
    PartBroken,
    PolicyUnavailable,
    StaleState,
    StatementError,
    WorkerDied,
    WorkerLost,
)
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.search import (
    BestFirstSearch,
    DepthRamp,
    DistinctHeadsSearch,
    NegativeEnergy,
    PortfolioSearch,
    SearchConfig,
    WeightedSum,
    WeightedTerm,
)
from leanebm.testing import LOST, ScriptedPolicy, ToyCertifier, ToyWorld

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


class Blames:
    """Raises an error of ours by itself, in the place of any part's or hook's answer."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def score(self, *_: object) -> Any:
        raise self.error

    energies = propose = score


def blaming_hook(hook: str, error: Exception) -> type[BestFirstSearch]:
    """A search of which one hook raises ``error``."""

    async def answers(*_: object) -> Any:
        raise error

    def decides(*_: object) -> Any:
        raise error

    return type("Hooked", (BestFirstSearch,), {hook: decides if hook in {"select", "on_node"} else answers})


LEANS = [LeanError("no Lean"), WorkerDied("it died"), StaleState("gone"), StatementError("elab", "no")]


@pytest.mark.parametrize(
    ("place", "errors"),
    [
        ("scorer", [*LEANS, ConfigError("no file")]),
        ("energy", LEANS),
        ("policy", [*LEANS, EnergyError("no head")]),
        ("select", [*LEANS, PolicyUnavailable("down"), EnergyError("no head")]),
        ("on_node", [*LEANS, PolicyUnavailable("down"), EnergyError("no head")]),
        ("expand", [*LEANS, EnergyError("no head")]),
        ("priority", LEANS),
    ],
)
@pytest.mark.parametrize("parallel", [1, 2])
async def test_an_error_of_ours_that_a_part_raises_by_itself_is_its_mistake(
    place: str, errors: list[Exception], parallel: int
) -> None:
    given, methods = dict(PARTS), {"scorer": "score", "energy": "energies", "policy": "propose"}
    for error in errors:
        kind, culprit = blaming_hook(place, error), rf"Hooked\.{place}"
        if place in methods:
            kind, culprit = BestFirstSearch, rf"Blames\.{methods[place]}"
            given[place] = Blames(error)
        search = kind(config=SearchConfig(parallel_expansions=parallel), **given)
        with pytest.raises(PartBroken, match=rf"^{culprit} raised {type(error).__name__}: .*test_answers\.py, line"):
            await search.run(FIVE)


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("scorer", EnergyError("not this leaf")),
        ("scorer", EncoderError("no vector")),
        ("energy", EnergyError("not this state")),
        ("policy", PolicyUnavailable("down")),
    ],
)
async def test_what_a_contract_names_is_the_searchs_end_and_no_mistake(place: str, error: Exception) -> None:
    result = await BestFirstSearch(**PARTS | {place: Blames(error)}).run(FIVE)
    assert (result.outcome, result.error) == (SearchOutcome.INFRASTRUCTURE, error)


class AsksAServer:
    """A policy that asks ours, which nobody serves."""

    async def propose(self, state: Any, n: int) -> Any:
        config = PolicyClientConfig(url="http://127.0.0.1:9", connect_patience_s=0.01)
        async with PolicyClient(config) as client:
            return await client.propose(state, n)


class AsksLean:
    """A scorer that runs a tactic, which kills the worker."""

    def __init__(self, environment: ProofEnvironment, *, words: str = "") -> None:
        self.environment = environment
        self.words = words

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        try:
            async with self.environment.open(leaves[0].theorem) as session:
                await session.run_tactic(session.root, "crash")
        except WorkerLost as lost:
            if self.words:
                raise LeanError(self.words) from lost
            raise
        raise AssertionError("the worker lives on")


async def test_what_came_from_lean_or_a_server_through_a_part_is_no_mistake_of_the_part() -> None:
    fragile = ToyWorld(moves={"5": {"crash": LOST}})
    for changed, kind in (
        ({"policy": AsksAServer()}, PolicyUnavailable),
        ({"scorer": AsksLean(fragile)}, WorkerDied),
        ({"scorer": AsksLean(fragile, words="Lean died while I looked ahead")}, LeanError),
    ):
        result = await BestFirstSearch(**PARTS | changed).run(FIVE)
        assert result.outcome is SearchOutcome.INFRASTRUCTURE
        assert type(result.error) is kind
        assert result.nodes, "what was found stays"


async def test_causes_that_were_never_raised_or_run_in_a_circle_excuse_nothing() -> None:
    unraised, circular = LeanError("made up"), LeanError("made up")
    unraised.__cause__ = WorkerDied("never raised")
    circular.__cause__ = circular
    for error in (unraised, circular):
        with pytest.raises(PartBroken, match=r"Blames\.score raised LeanError: made up"):
            await BestFirstSearch(**PARTS | {"scorer": Blames(error)}).run(FIVE)
