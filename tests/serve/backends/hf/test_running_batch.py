from __future__ import annotations

import random
from typing import Any

import pytest

from leanebm.serve import Completion, SamplingParams
from leanebm.serve.backends.hf._language_model import LanguageModel
from leanebm.serve.backends.hf._running_batch import RunningBatch
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
