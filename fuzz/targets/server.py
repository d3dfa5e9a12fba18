"""What clients send to our policy server."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import partial

from fuzz.target import Finding, Target, completed, refusals
from leanebm.errors import PolicyBadRequest
from leanebm.serve import SamplingParams, TemplateBackend
from leanebm.serve._requests import parse_encode, parse_generate, parse_object, text_field

__all__ = ["TARGETS", "fuzz_server_request", "fuzz_template_prompt"]

_LONGEST_REFUSAL = 4000
_BACKEND = TemplateBackend()


def fuzz_server_request(data: bytes) -> None:
    """The body of a request: understood, or refused with words that do not send the body back."""
    for parse in (partial(parse_generate, max_completions=64), parse_encode):
        try:
            request = parse(parse_object(data), max_prompts=4)
            for prompt in request.prompts:
                completed(_BACKEND.encode([prompt]))
        except PolicyBadRequest as refusal:
            if not str(refusal) or len(str(refusal)) > _LONGEST_REFUSAL:
                raise Finding(f"a refusal of {len(str(refusal))} characters: {refusal!s:.200}") from refusal
    with refusals(PolicyBadRequest, naming="model_path"):
        body = {}
        with refusals(PolicyBadRequest):
            body = parse_object(data)
        text_field(body, "model_path")


def fuzz_template_prompt(data: bytes) -> None:
    """Any prompt: tactics with log-probabilities, or a refusal; and always a vector that is no zero."""
    prompt = data.decode(errors="replace")
    with refusals(PolicyBadRequest):
        (completions,) = completed(_BACKEND.generate([prompt], SamplingParams(n=8)))
        if len(completions) != 8 or not all(token.log_prob <= 0.0 for one in completions for token in one.tokens):
            raise Finding(f"not eight completions with log-probabilities: {completions!r:.500}")
    with refusals(PolicyBadRequest):
        (embedding,) = completed(_BACKEND.encode([prompt]))
        if not any(embedding.vector) or not all(map(math.isfinite, embedding.vector)):
            raise Finding(f"a vector that says nothing for {prompt!r:.500}")


def _request_seeds() -> Sequence[bytes]:
    params = {
        "n": 2, "temperature": 0.7, "max_new_tokens": 64, "stop": ["\n\n"], "stop_token_ids": [2], "top_p": 0.9,
        "top_k": 5, "min_p": 0.1, "sampling_seed": 7, "no_stop_trim": True, "ignore_eos": False,
    }  # fmt: skip
    bodies: list[dict[str, object]] = [
        {"text": "⊢ True"},
        {"text": ["⊢ True", "n : Nat\n⊢ n = n"], "sampling_params": params, "return_logprob": True, "rid": "r"},
        {"input_ids": [1, 2, 3], "lora_path": "a", "return_text_in_logprobs": False},
        {"input_ids": [[1], [2, 3]], "stream": False, "logprob_start_len": -1},
        {"model_path": "/weights", "weight_version": "2", "abort_all_requests": True},
    ]
    return [json.dumps(body, ensure_ascii=False).encode() for body in bodies]


def _prompt_seeds() -> Sequence[bytes]:
    goals = [
        "n m : Nat\nh : n ≤ m ∧ (∀ k, k < n → k ≠ m)\nih✝ : ∃ x y, x + y = n\n⊢ ¬(m < n) ∨ n ∣ m",
        "case cons\nα : Type u\nxs ys : List α\nf : α → α := fun x => x\nih : xs.length = 3\n⊢ List.map f xs = []",
        "xs ys : List Nat\n⊢ xs = if h : xs = [] then ys.map f else [(1, 2)].head!.1 :: xs",
        'p q : Prop\nhp : p\nhpq : (x : p) → q\n⊢ p ↔ q\n\ncase right\n⊢ {x // x > 0} = (fun ⟨a, b⟩ => a) "s\\""',
    ]
    return [f"/- tactic state:\n{goal}\n-/".encode() for goal in goals] + [goal.encode() for goal in goals]


TARGETS = (
    Target(fuzz_server_request, _request_seeds, ('"text"', '"input_ids"', '"sampling_params"', '"n"', '"stop"')),
    Target(
        fuzz_template_prompt,
        _prompt_seeds,
        (
            "∀ ", "∃ ", "¬", " ∧ ", " ∨ ", " ↔ ", " → ", " = ", "fun ", " => ", "if ", " then ", "(x : Nat)", "⟨", "‹",
            "-/", "/- tactic state:", "\n⊢ ", ".length", "[i]", ":= ",
        ),
    ),
)  # fmt: skip
