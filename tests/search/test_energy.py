"""An energy model in a search: what is asked of it, when, and where its answers go."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from leanebm.core import EnergyModel, Leaf, ProofState, SearchOutcome, SearchResult, StateScorer
from leanebm.errors import EnergyError, PartBroken
from leanebm.search import (
    BestFirstSearch,
    BreadthFirst,
    CumulativeLogProb,
    LengthNormalisedLogProb,
    NegativeEnergy,
    WeightedSum,
    WeightedTerm,
)
from leanebm.testing import QED, ScriptedPolicy, ToyCertifier, ToyWorld

RunSearch = Callable[..., Awaitable[SearchResult]]

# Two paths to c, and a long detour: the policy cannot tell them apart, an energy can.
WORLD = ToyWorld(
    moves={
        "a": {"left": "b", "right": "c", "round": "a"},
        "b": {"over": "c", "down": "d"},
        "c": {"on": "e"},
        "d": {"on": "f"},
        "e": {"end": QED},
        "f": {},
    }
)


class Energies:
    """Energies by the state's name, and a record of what was asked."""

    def __init__(self, **by_name: float) -> None:
        self.by_name = by_name
        self.batches: list[list[str]] = []

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        assert all(state.goals for state in states)
        self.batches.append([state.goals[0].target for state in states])
        return [self.by_name.get(state.goals[0].target, 0.0) for state in states]


GUIDED = WeightedSum((WeightedTerm(scorer=CumulativeLogProb()), WeightedTerm(scorer=NegativeEnergy(), weight=5.0)))


def expansion_order(result: SearchResult) -> list[str]:
    expanded = [node for node in result.nodes if node.expansion is not None]
    return [node.state.goals[0].target for node in sorted(expanded, key=lambda node: node.expansion or 0)]


async def test_every_open_state_is_weighed_once_and_a_finished_one_never(run_search: RunSearch) -> None:
    model = Energies()
    result = await run_search(WORLD, "a", energy=model)
    asked = Counter(name for batch in model.batches for name in batch)
    assert result.outcome is SearchOutcome.PROVED
    assert set(asked.values()) == {1}
    assert asked.keys() == {node.state.goals[0].target for node in result.nodes if node.priority is not None}
    assert all((node.energy is None) == (node.priority is None) for node in result.nodes)


async def test_what_the_models_were_asked_is_counted(run_search: RunSearch) -> None:
    energies = Energies()
    result = await run_search(WORLD, "a", energy=energies)
    assert result.statistics.energy_calls == sum(map(len, energies.batches)) > 0
    assert result.statistics.policy_calls == result.statistics.expansions > 0
    assert (await run_search(WORLD, "a")).statistics.energy_calls == 0


async def test_the_children_of_an_expansion_are_one_batch(run_search: RunSearch) -> None:
    model = Energies()
    await run_search(WORLD, "a", energy=model)
    assert model.batches[:2] == [["a"], ["b", "c"]]


async def test_low_energy_is_expanded_first(run_search: RunSearch) -> None:
    towards_d = Energies(b=-1.0, d=-2.0, f=-3.0)
    towards_c = Energies(c=-1.0, e=-2.0)
    assert expansion_order(await run_search(WORLD, "a", scorer=GUIDED, energy=towards_d))[:3] == ["a", "b", "d"]
    assert expansion_order(await run_search(WORLD, "a", scorer=GUIDED, energy=towards_c)) == ["a", "c", "e"]


async def test_with_weight_zero_the_search_is_the_policys_own_and_energies_are_kept(run_search: RunSearch) -> None:
    policy_term = WeightedTerm(scorer=LengthNormalisedLogProb())
    unweighted = WeightedSum((policy_term, WeightedTerm(scorer=NegativeEnergy(), weight=0.0)))
    alone = await run_search(WORLD, "a", scorer=WeightedSum((policy_term,)))
    logged = await run_search(WORLD, "a", scorer=unweighted, energy=Energies(b=3.0, c=-7.0))
    assert [(n.tactics, n.priority, n.expansion) for n in logged.nodes] == [
        (n.tactics, n.priority, n.expansion) for n in alone.nodes
    ]
    assert {n.state.goals[0].target: n.energy for n in logged.nodes if n.energy} == {"b": 3.0, "c": -7.0}


class Answering:
    def __init__(self, answers: list[float]) -> None:
        self.answers = answers

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:  # noqa: ARG002
        return self.answers


async def test_a_model_that_makes_no_sense_ends_the_search_with_its_name(run_search: RunSearch) -> None:
    result = await run_search(WORLD, "a", energy=Answering([math.nan]))
    assert result.outcome is SearchOutcome.INFRASTRUCTURE
    assert isinstance(result.error, EnergyError)
    assert "Answering must give one finite energy per state" in str(result.error)


@pytest.mark.parametrize("answers", [[], [0.0, 0.0]], ids=["too few", "too many"])
async def test_a_model_that_gives_another_number_of_energies_is_broken(
    run_search: RunSearch, answers: list[float]
) -> None:
    with pytest.raises(PartBroken, match="Answering must give one finite energy per state"):
        await run_search(WORLD, "a", energy=Answering(answers))


async def test_scoring_by_energies_that_nobody_makes_is_an_error(run_search: RunSearch) -> None:
    scorer: StateScorer = NegativeEnergy()
    result = await run_search(WORLD, "a", scorer=scorer)
    assert "give the search an energy model" in str(result.error)


async def test_a_state_keeps_its_energy_when_a_better_path_is_found(run_search: RunSearch) -> None:
    model: EnergyModel = Energies(c=1.5)
    result = await run_search(WORLD, "a", scorer=LengthNormalisedLogProb(alpha=2.0), energy=model)
    [node] = [node for node in result.nodes if node.state.goals and node.state.goals[0].target == "c"]
    assert node.energy == 1.5


class Foreign:
    """A scorer that does not say whether it looks at energies."""

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [0.0 for _ in leaves]


POLICY_TERM, ENERGY_TERM = WeightedTerm(scorer=LengthNormalisedLogProb()), WeightedTerm(scorer=NegativeEnergy())


@pytest.mark.parametrize(
    ("terms", "reads"),
    [
        ((POLICY_TERM,), False),
        ((POLICY_TERM, ENERGY_TERM), True),
        ((WeightedTerm(scorer=WeightedSum((POLICY_TERM, ENERGY_TERM))),), True),
        ((POLICY_TERM, WeightedTerm(scorer=Foreign())), None),
        ((ENERGY_TERM, WeightedTerm(scorer=Foreign())), True),
    ],
)
def test_a_sum_reads_energies_if_a_term_does(terms: tuple[WeightedTerm, ...], reads: bool | None) -> None:
    assert WeightedSum(terms).reads_energy is reads


@pytest.mark.parametrize(
    ("scorer", "is_warned"),
    [
        (None, True),
        (BreadthFirst(), True),
        (CumulativeLogProb(), True),
        (WeightedSum((POLICY_TERM,)), True),
        (NegativeEnergy(), False),
        (WeightedSum((POLICY_TERM, ENERGY_TERM)), False),
        (Foreign(), False),
    ],
)
async def test_an_energy_model_to_which_no_scorer_listens_is_warned_of_once(
    scorer: StateScorer | None, is_warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    parts: dict[str, Any] = {"policy": ScriptedPolicy.over(WORLD), "certifier": ToyCertifier(WORLD)}
    search = BestFirstSearch(**parts, environment=WORLD, scorer=scorer, energy=Energies())
    assert not caplog.records, "not every search that is made is run"
    for statement in ("a", "b"):
        await search.run(statement)
    assert len(caplog.records) == is_warned
    assert all("Make NegativeEnergy() a term of a WeightedSum" in record.getMessage() for record in caplog.records)
