from __future__ import annotations

import math
import random
from typing import Any

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leanebm.serve import SamplingParams
from leanebm.serve.backends.hf._sampler import sample

LOGITS = torch.tensor([2.0, -1.0, 0.5, 0.0, 3.0, -4.0])


def draw(count: int, *, logits: torch.Tensor = LOGITS, seed: int = 0, **params: Any) -> tuple[list[int], list[float]]:
    rng = random.Random(seed)  # noqa: S311 - test data
    uniforms = [rng.getrandbits(32) / 2**32 for _ in range(count)]
    tokens, log_probs = sample(logits.expand(count, -1), [SamplingParams(**params)] * count, uniforms)
    return tokens.tolist(), log_probs.tolist()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_come_as_often_as_they_should(temperature: float) -> None:
    count = 20_000
    tokens, _ = draw(count, temperature=temperature)
    expected = torch.softmax(LOGITS / temperature, dim=-1).tolist()
    chi_square = sum((tokens.count(i) - count * p) ** 2 / (count * p) for i, p in enumerate(expected))
    assert chi_square < 36.0  # exceeded once in a million runs, at 5 degrees of freedom


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_log_probabilities_are_those_of_the_scaled_distribution(temperature: float) -> None:
    expected = torch.log_softmax(LOGITS / temperature, dim=-1)
    for narrowing in ({}, {"top_k": 2}, {"top_p": 0.6}, {"min_p": 0.3}):
        tokens, log_probs = draw(50, temperature=temperature, **narrowing)
        assert log_probs == pytest.approx([float(expected[token]) for token in tokens], abs=1e-6)


def test_at_temperature_zero_the_likeliest_comes_with_its_plain_probability() -> None:
    tokens, log_probs = draw(5, temperature=0.0)
    assert tokens == [4] * 5
    assert log_probs == pytest.approx([float(torch.log_softmax(LOGITS, dim=-1)[4])] * 5)


def allowed(probs: list[float], params: SamplingParams) -> set[int]:
    """What the three filters leave, by their definitions."""
    ranked = sorted(range(len(probs)), key=lambda token: -probs[token])
    left = set(ranked if params.top_k == -1 else ranked[: params.top_k])
    left &= {token for place, token in enumerate(ranked) if sum(probs[t] for t in ranked[:place]) < params.top_p}
    return {token for token in left if probs[token] >= params.min_p * max(probs)}


@given(
    logits=st.lists(st.floats(-8, 8), min_size=2, max_size=12, unique=True),
    top_k=st.just(-1) | st.integers(1, 12),
    top_p=st.floats(0.05, 1.0),
    min_p=st.floats(0.0, 0.9),
    seed=st.integers(0, 100),
)
def test_only_what_the_filters_leave_is_drawn(
    logits: list[float], top_k: int, top_p: float, min_p: float, seed: int
) -> None:
    params = SamplingParams(top_k=top_k, top_p=top_p, min_p=min_p)
    probs = torch.softmax(torch.tensor(logits), dim=-1).double().tolist()
    # On the very edge of a filter the last bit decides; both answers are right there.
    generous = attrs.evolve(params, top_p=min(1.0, top_p + 1e-5), min_p=max(0.0, min_p - 1e-5))
    tokens, _ = draw(20, logits=torch.tensor(logits), seed=seed, top_k=top_k, top_p=top_p, min_p=min_p)
    assert set(tokens) <= allowed(probs, generous)


def test_the_filters_leave_all_that_they_should() -> None:
    probs = torch.softmax(LOGITS, dim=-1).tolist()
    for narrowing in ({"top_k": 3}, {"top_p": 0.93}, {"min_p": 0.05}, {"top_k": 4, "top_p": 0.9, "min_p": 0.01}):
        tokens, _ = draw(4000, **narrowing)
        assert set(tokens) == allowed(probs, SamplingParams(**narrowing))


def test_a_row_does_not_notice_its_neighbours() -> None:
    rows = [SamplingParams(temperature=0.0), SamplingParams(top_k=2), SamplingParams(temperature=2.0, top_p=0.5)]
    logits = torch.stack([LOGITS, LOGITS.flip(0), LOGITS.roll(2)])
    uniforms = [0.1, 0.7, 0.4]
    tokens, log_probs = sample(logits, rows, uniforms)
    for i, row in enumerate(rows):
        token, log_prob = sample(logits[i : i + 1], [row], uniforms[i : i + 1])
        assert (token.item(), log_prob.item()) == (tokens[i].item(), log_probs[i].item())


@pytest.mark.parametrize("params", [{"top_k": 2**80}, {"temperature": 1e300}, {"temperature": 1e-5}, {"min_p": 1.0}])
def test_extreme_parameters_are_only_extreme(params: dict[str, Any]) -> None:
    tokens, log_probs = draw(50, **params)
    assert all(0 <= token < len(LOGITS) for token in tokens)
    assert all(math.isfinite(log_prob) and log_prob <= 0.0 for log_prob in log_probs)


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-32])
def test_what_has_no_probability_is_never_drawn_and_infinity_never_told(uniform: float) -> None:
    logits = torch.tensor([[-math.inf, 1.0, -math.inf, 1.0, -math.inf]])
    tokens, log_probs = sample(logits, [SamplingParams()], [uniform])
    assert tokens.item() in (1, 3)
    assert math.isfinite(log_probs.item())


def test_a_row_that_is_not_finite_says_so_and_spoils_no_other() -> None:
    logits = torch.stack([LOGITS, torch.full_like(LOGITS, math.nan)])
    tokens, log_probs = sample(logits, [SamplingParams()] * 2, [0.3, 0.3])
    assert log_probs.isnan().tolist() == [False, True]
    assert max(tokens.tolist()) < len(LOGITS)


def test_half_precision_logits_give_the_same_choice() -> None:
    tokens, log_probs = sample(LOGITS[None].bfloat16(), [SamplingParams()], [0.5])
    assert tokens.item() == draw_one(0.5)
    assert log_probs.dtype == torch.float32


def draw_one(uniform: float) -> int:
    return int(sample(LOGITS[None], [SamplingParams()], [uniform])[0].item())
