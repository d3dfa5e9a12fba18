from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.serve.backends.template.distribution import TacticDistribution, log_softmax
from leanebm.serve.backends.template.rules import Proposal

WEIGHTS = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=5)
PROPOSALS = st.lists(WEIGHTS, min_size=1, max_size=5).map(
    lambda rules: [
        Proposal(rule, tuple(f"t{rule}.{i}" for i in range(len(weights))), tuple(weights))
        for rule, weights in enumerate(rules)
    ]
)
TWO = [Proposal(0, ("a", "b"), (3.0, 1.0)), Proposal(4, ("c",), (4.0,))]


@given(PROPOSALS, st.floats(0.05, 20.0))
def test_probabilities_sum_to_one_at_any_temperature(proposals: list[Proposal], temperature: float) -> None:
    tactics = TacticDistribution(proposals).at(temperature)
    assert math.isclose(math.fsum(math.exp(tactic.log_prob) for tactic in tactics), 1.0)
    assert [t.log_prob for t in tactics] == sorted((t.log_prob for t in tactics), reverse=True)


def test_at_temperature_one_weights_are_joint_probabilities() -> None:
    tactics = TacticDistribution(TWO).at(1.0)
    assert {t.text: round(math.exp(t.log_prob), 9) for t in tactics} == {"c": 0.5, "a": 0.375, "b": 0.125}
    by_text = {t.text: t for t in tactics}
    assert (by_text["b"].rule_id, by_text["b"].argument_id) == (0, 1)
    assert by_text["c"].argument_log_prob == 0.0


def test_every_factor_is_scaled_by_the_temperature() -> None:
    by_text = {t.text: t for t in TacticDistribution(TWO).at(0.5)}
    assert math.isclose(math.exp(by_text["a"].argument_log_prob), 9 / 10)
    assert math.isclose(math.exp(by_text["a"].rule_log_prob), 0.5)


@given(PROPOSALS, st.integers(1, 30), st.integers(0, 1000))
def test_draws_are_distinct_and_repeatable(proposals: list[Proposal], n: int, seed: int) -> None:
    distribution = TacticDistribution(proposals)
    drawn, again = (distribution.draw(n, temperature=1.0, rng=random.Random(seed)) for _ in range(2))  # noqa: S311
    assert drawn == again
    assert len({tactic.text for tactic in drawn}) == len(drawn) == min(n, sum(len(p.tactics) for p in proposals))


def test_greedy_draws_are_the_likeliest_in_order() -> None:
    drawn = TacticDistribution(TWO).draw(2, temperature=0.0, rng=random.Random(0))  # noqa: S311
    assert [tactic.text for tactic in drawn] == ["c", "a"]
    assert math.isclose(drawn[0].log_prob, math.log(0.5))


def test_the_first_draw_follows_the_probabilities() -> None:
    rng = random.Random(20261122)  # noqa: S311
    distribution = TacticDistribution(TWO)
    first = Counter(distribution.draw(1, temperature=1.0, rng=rng)[0].text for _ in range(8000))
    # Four standard deviations of a binomial count: a fixed seed, so this either holds or never does.
    for text, probability in {"c": 0.5, "a": 0.375, "b": 0.125}.items():
        assert abs(first[text] / 8000 - probability) < 4 * math.sqrt(probability * (1 - probability) / 8000)


def test_a_narrowed_draw_keeps_the_log_probabilities_of_the_whole() -> None:
    drawn = TacticDistribution(
        TWO
    ).draw(
        5,
        temperature=1.0,
        rng=random.Random(0),  # noqa: S311
        keep=lambda ranked: ranked[:1],
    )
    assert [(t.text, round(t.log_prob, 9)) for t in drawn] == [("c", round(math.log(0.5), 9))]


@pytest.mark.parametrize("logits", [[-1e300, 1e300], [0.0], [1e5, 1e5 + 1]])
def test_the_softmax_neither_overflows_nor_exceeds_certainty(logits: list[float]) -> None:
    assert all(value <= 0.0 for value in log_softmax(logits))
