from __future__ import annotations

import math
import random
from typing import Any

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leanebm.serve import Completion, SamplingParams
from leanebm.serve.backends.hf._language_model import LanguageModel
from leanebm.serve.backends.hf._running_batch import RunningBatch, sample
from leanebm.serve.backends.hf._sequence import SampledSequence

LONG, SHORT = (0, 9, 17, 44, 8, 200, 31), (0, 5)


@pytest.fixture
def shapes(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Rows and columns of every pass through the model."""
    seen: list[tuple[int, int]] = []
    forward = model._model.forward

    def noting(*args: Any, **more: Any) -> Any:
        rows, columns = more["input_ids"].shape
        seen.append((rows, columns))
        return forward(*args, **more)

    monkeypatch.setattr(model._model, "forward", noting)
    return seen


def growing(model: LanguageModel, tokens: int, *, seed: int = 0) -> SampledSequence:
    return SampledSequence(
        prompt_tokens=1,
        params=SamplingParams(max_new_tokens=tokens, ignore_eos=True),
        end_ids=(),
        stream=model.tokenizer.stream(skip_special_tokens=True),
        rng=random.Random(seed),  # noqa: S311 - test data
    )


def alone(model: LanguageModel, prompt: tuple[int, ...], tokens: int, *, seed: int = 0) -> Completion:
    batch, sequence = RunningBatch(model, None), growing(model, tokens, seed=seed)
    batch.join([prompt], [[sequence]])
    while not sequence.is_finished:
        batch.step()
    return sequence.completion()


def ids(completion: Completion) -> list[int]:
    return [token.token_id for token in completion.tokens]


def test_sequences_come_and_go_and_each_grows_as_if_alone(model: LanguageModel) -> None:
    first, second, third = growing(model, 12), growing(model, 3, seed=1), growing(model, 6, seed=2)
    batch = RunningBatch(model, None)
    batch.join([SHORT, LONG], [[first], [second]])
    batch.step()
    batch.join([LONG], [[third]])
    while not all(sequence.is_finished for sequence in (first, second, third)):
        batch.step()
    expected = [alone(model, SHORT, 12), alone(model, LONG, 3, seed=1), alone(model, LONG, 6, seed=2)]
    for sequence, completion in zip((first, second, third), expected, strict=True):
        got = sequence.completion()
        assert ids(got) == ids(completion)
        log_probs = [token.log_prob for token in completion.tokens]
        assert [token.log_prob for token in got.tokens] == pytest.approx(log_probs, abs=1e-4)


def test_a_finished_or_abandoned_sequence_costs_nothing_more(
    model: LanguageModel, shapes: list[tuple[int, int]]
) -> None:
    kept, abandoned, short = growing(model, 5), growing(model, 100, seed=1), growing(model, 2, seed=2)
    batch = RunningBatch(model, None)
    batch.join([LONG, SHORT], [[kept, abandoned], [short]])
    batch.step()
    abandoned.is_abandoned = True
    while not kept.is_finished:
        batch.step()
    batch.step()
    assert shapes == [(2, 7), (3, 1), (1, 1), (1, 1), (1, 1)]
    assert ids(kept.completion()) == ids(alone(model, LONG, 5))


def test_a_sequence_of_one_token_never_takes_a_place(model: LanguageModel, shapes: list[tuple[int, int]]) -> None:
    sequence = growing(model, 1)
    batch = RunningBatch(model, None)
    batch.join([LONG], [[sequence]])
    assert sequence.is_finished
    batch.step()
    assert shapes == [(1, 7)]


def test_an_emptied_batch_can_be_filled_again(model: LanguageModel) -> None:
    batch = RunningBatch(model, None)
    for _ in range(2):
        sequence = growing(model, 4)
        batch.join([SHORT], [[sequence]])
        while not sequence.is_finished:
            batch.step()
        assert ids(sequence.completion()) == ids(alone(model, SHORT, 4))


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
    # In steps, for of two that differ in the last bit either may come first.
    logits=st.lists(st.integers(-64, 64).map(lambda step: step / 8), min_size=2, max_size=12, unique=True),
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
