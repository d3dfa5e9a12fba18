from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from leanebm.pipeline.finetune._examples import Example
from leanebm.pipeline.finetune._objective import Batch, learnt_log_probs, unlikelihood

SHORT, LONG = Example((0, 9, 17, 5, 1), 3), Example((0, 44, 45, 46, 47, 48, 9, 8, 7, 1), 6)
CPU = torch.device("cpu")


@pytest.fixture
def model(tiny: Path) -> Any:
    auto: Any = AutoModelForCausalLM
    return auto.from_pretrained(tiny).eval()


def log_probs(model: Any, *examples: Example) -> torch.Tensor:
    return learnt_log_probs(model, Batch.of(examples, CPU))


@pytest.mark.parametrize("with_prompts", [False, True])
def test_a_batch_has_the_log_probabilities_that_each_has_alone(model: Any, with_prompts: bool) -> None:
    batch = Batch.of([SHORT, LONG], CPU, with_prompts=with_prompts)
    found = learnt_log_probs(model, batch)
    for row, is_completion, example in zip(found, batch.is_completion, (SHORT, LONG), strict=True):
        whole = model(torch.tensor([example.tokens])).logits[0].log_softmax(dim=-1)
        start = 1 if with_prompts else example.start
        wanted = [whole[i - 1, example.tokens[i]] for i in range(start, len(example.tokens))]
        torch.testing.assert_close(row[-len(wanted) :], torch.stack(wanted), atol=1e-5, rtol=1e-4)
        assert not row[: len(row) - len(wanted)].any()
        written = len(example.tokens) - example.start
        assert is_completion.tolist() == [False] * (len(row) - written) + [True] * written


def test_only_the_completion_is_learnt(model: Any) -> None:
    """Of all logits, the loss has a slope in those alone that say a completion's token."""
    seen: list[torch.Tensor] = []

    def watched(**inputs: Any) -> Any:
        output = model(**{**inputs, "logits_to_keep": 0})  # all of them
        output.logits.retain_grad()
        seen.append(output.logits)
        return output

    torch.autograd.backward(learnt_log_probs(watched, Batch.of([SHORT, LONG], CPU)).sum())
    slope = seen[0].grad
    assert slope is not None
    has_slope = slope.abs().sum(dim=-1) > 0
    width = len(LONG.tokens)
    for row, example in zip(has_slope, (SHORT, LONG), strict=True):
        says_completion = torch.zeros(width, dtype=torch.bool)
        says_completion[width - (len(example.tokens) - example.start) - 1 : width - 1] = True
        assert torch.equal(row, says_completion)


def test_another_token_in_the_prompt_is_no_target(model: Any) -> None:
    """What the loss asks for does not depend on the prompt, only what it is asked on."""
    other = Example((0, 9, 18, 5, 1), 3)
    batches = [Batch.of([example], CPU) for example in (SHORT, other)]
    targets = [batch.ids[:, -2:][batch.is_learnt] for batch in batches]
    assert torch.equal(*targets)
    assert not torch.equal(log_probs(model, SHORT), log_probs(model, other))


def test_unlikelihood_is_of_the_whole_tactic_and_bounded() -> None:
    log_prob = torch.tensor([[-0.2, -0.3, 0.0], [-30.0, -20.0, -10.0], [0.0, 0.0, 0.0]], requires_grad=True)
    losses = unlikelihood(log_prob)
    found = losses.detach().tolist()
    assert found[0] == pytest.approx(-math.log(1.0 - math.exp(-0.5)), rel=2e-3)
    assert found[1] == pytest.approx(0.0, abs=1e-12)
    torch.autograd.backward(losses.sum())
    slope = log_prob.grad
    assert slope is not None
    assert torch.isfinite(slope).all()
    assert float(slope[2].max()) > float(slope[0].max()) > float(slope[1].max())
