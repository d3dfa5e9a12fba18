from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from leanebm.core import Leaf, StateScorer
from leanebm.errors import EnergyError, PartBroken
from leanebm.search import (
    BreadthFirst,
    CumulativeLogProb,
    DepthFirst,
    DepthRamp,
    GoalCount,
    LengthNormalisedLogProb,
    NegativeEnergy,
    RandomOrder,
    ShortestState,
    WeightedSum,
    WeightedTerm,
)
from leanebm.testing import SAMPLE_LEAVES, check_scorer

SCORERS: list[StateScorer] = [
    CumulativeLogProb(),
    LengthNormalisedLogProb(),
    BreadthFirst(),
    DepthFirst(),
    DepthRamp(scorer=NegativeEnergy()),
    GoalCount(),
    NegativeEnergy(),
    RandomOrder(seed=3),
    ShortestState(),
    WeightedSum((WeightedTerm(scorer=CumulativeLogProb(), weight=0.3), WeightedTerm(scorer=BreadthFirst()))),
]


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: type(scorer).__name__)
async def test_every_scorer_keeps_the_contract(scorer: StateScorer) -> None:
    await check_scorer(scorer)
    assert list(await scorer.score([])) == []


async def test_length_normalisation_follows_its_formula() -> None:
    leaf = attrs.evolve(SAMPLE_LEAVES[0], path_log_prob=-6.0, depth=4)
    assert await LengthNormalisedLogProb(alpha=0.0).score([leaf]) == await CumulativeLogProb().score([leaf])
    assert await LengthNormalisedLogProb(alpha=0.5).score([leaf]) == [-3.0]
    assert await LengthNormalisedLogProb(alpha=1.0).score([leaf]) == [-1.5]


async def test_the_root_scores_nothing() -> None:
    root = SAMPLE_LEAVES[0]
    assert await LengthNormalisedLogProb().score([root]) == [0.0]
    assert await BreadthFirst().score([root]) == [0.0]


async def test_goals_are_counted() -> None:
    leaf = SAMPLE_LEAVES[0]
    two = attrs.evolve(leaf, state=attrs.evolve(leaf.state, goals=leaf.state.goals[:1] * 2, coupling=(0, 1)))
    assert await GoalCount().score([two]) == [-2.0]


async def test_a_ramp_gives_a_scorer_its_weight_by_and_by() -> None:
    leaves = [attrs.evolve(SAMPLE_LEAVES[0], energy=5.0, depth=depth) for depth in (0, 1, 2, 4, 9)]
    ramp = DepthRamp(scorer=NegativeEnergy(), full_at=4, centre=-3.0)
    assert await ramp.score(leaves) == [0.0, -0.5, -1.0, -2.0, -2.0]
    assert ramp.reads_energy is True
    assert DepthRamp(scorer=BreadthFirst()).reads_energy is False


@pytest.mark.parametrize("setting", [{"centre": math.nan}, {"centre": math.inf}, {"full_at": 0}])
def test_a_ramp_that_could_not_score_is_refused(setting: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        DepthRamp(scorer=BreadthFirst(), **setting)


async def test_a_ramp_passes_on_no_wrong_number_of_scores() -> None:
    class Silent:
        async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:  # noqa: ARG002
            return []

    with pytest.raises(PartBroken, match="Silent must give one finite number per leaf; where 1 were due"):
        await DepthRamp(scorer=Silent()).score(SAMPLE_LEAVES[:1])


async def test_a_weighted_sum_adds_terms_in_their_standard_units() -> None:
    leaf = attrs.evolve(SAMPLE_LEAVES[0], path_log_prob=-6.0, depth=4)
    scorer = WeightedSum(
        [
            WeightedTerm(scorer=CumulativeLogProb(), weight=2.0, centre=-4.0, scale=0.5),
            WeightedTerm(scorer=BreadthFirst(), weight=-1.0),
        ]
    )
    [score] = await scorer.score([leaf])
    assert math.isclose(score, 2.0 * (-6.0 + 4.0) / 0.5 + 4.0)


async def test_low_energy_scores_high_and_a_leaf_without_one_is_an_error() -> None:
    leaf = attrs.evolve(SAMPLE_LEAVES[0], energy=-2.5)
    assert await NegativeEnergy().score([leaf]) == [2.5]
    with pytest.raises(EnergyError, match="no energy"):
        await NegativeEnergy().score([leaf, attrs.evolve(leaf, energy=None)])


class OneTooFew:
    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [0.0] * (len(leaves) - 1)


async def test_a_term_that_answers_too_little_is_not_filled_up() -> None:
    with pytest.raises(PartBroken, match="OneTooFew must give one finite number per leaf; where 4 were due"):
        await WeightedSum((WeightedTerm(scorer=OneTooFew()),)).score(SAMPLE_LEAVES)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="alpha"):
        LengthNormalisedLogProb(alpha=-0.1)
    with pytest.raises(ValueError, match="scale"):
        WeightedTerm(scorer=BreadthFirst(), scale=0.0)
    for field in ("weight", "centre", "scale"):
        for value in (math.inf, -math.inf, math.nan):
            with pytest.raises(ValueError, match=f"'{field}' must be "):
                WeightedTerm(scorer=BreadthFirst(), **{field: value})
    with pytest.raises(ValueError, match="terms"):
        WeightedSum(())


async def test_depth_first_is_breadth_first_turned_round() -> None:
    deep = await DepthFirst().score(SAMPLE_LEAVES)
    assert [-score for score in deep] == list(await BreadthFirst().score(SAMPLE_LEAVES))


async def test_the_shortest_state_is_the_one_with_fewest_characters() -> None:
    scores = await ShortestState().score(SAMPLE_LEAVES)
    assert list(scores) == [-len(leaf.state.text) for leaf in SAMPLE_LEAVES]


async def test_a_random_order_is_the_seeds_alone() -> None:
    scores = await RandomOrder(seed=1).score(SAMPLE_LEAVES)
    assert list(await RandomOrder(seed=1).score(SAMPLE_LEAVES[::-1])) == list(scores)[::-1]
    assert list(await RandomOrder(seed=2).score(SAMPLE_LEAVES)) != list(scores)
    assert len(set(scores)) == len(SAMPLE_LEAVES)
    state = attrs.evolve(SAMPLE_LEAVES[0].state, key="fixed")
    [fixed] = await RandomOrder().score([attrs.evolve(SAMPLE_LEAVES[0], state=state)])
    assert math.isclose(fixed, int.from_bytes(hashlib.sha256(b"0/fixed").digest()[:6]) / 2**48)


async def test_random_numbers_are_spread_evenly() -> None:
    states = [attrs.evolve(SAMPLE_LEAVES[0].state, key=str(number)) for number in range(2000)]
    scores = await RandomOrder().score([attrs.evolve(SAMPLE_LEAVES[0], state=state) for state in states])
    assert 0.0 <= min(scores) < 0.01
    assert 0.99 < max(scores) < 1.0
    assert abs(sum(scores) / len(scores) - 0.5) < 0.03
