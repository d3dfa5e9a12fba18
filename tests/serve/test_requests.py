from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.errors import PolicyBadRequest
from leanebm.serve import SamplingParams
from leanebm.serve._requests import parse_encode, parse_generate


def test_defaults_are_the_wires() -> None:
    request = parse_generate({"text": "p"}, max_prompts=1, max_completions=64)
    assert request.params == SamplingParams(n=1, temperature=1.0, max_new_tokens=128)
    assert (request.is_batch, request.return_logprob) == (False, False)


def test_everything_known_is_taken_over() -> None:
    params = {"n": 3, "temperature": 0, "stop": "x", "stop_token_ids": [5], "sampling_seed": 7, "top_k": None}
    request = parse_generate(
        {"text": ["p", "q"], "sampling_params": params, "return_logprob": True}, max_prompts=2, max_completions=64
    )
    assert request.prompts == ("p", "q")
    assert request.params == SamplingParams(n=3, temperature=0.0, stop=("x",), stop_token_ids=(5,), sampling_seed=7)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"n": "2"}, "n"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.5}, "n"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_k": 0}, "top_k"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"stop": [1]}, "stop"),
        ({"stop": ["x"] * 33}, "stop"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"seed": 1}, "seed"),
        ({"regex": "x"}, "regex"),
        ([{"n": 1}], "object"),
    ],
)
def test_wrong_sampling_parameters_are_named(params: object, said: str) -> None:
    with pytest.raises(PolicyBadRequest, match=said):
        parse_generate({"text": "p", "sampling_params": params}, max_prompts=1, max_completions=64)


def test_every_wrong_parameter_is_named_at_once() -> None:
    with pytest.raises(PolicyBadRequest, match=r"(?s)seed.*n|n.*seed"):
        parse_generate({"text": "p", "sampling_params": {"n": "2", "seed": 1}}, max_prompts=1, max_completions=64)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": "p", "input_ids": [1]},
        {"text": []},
        {"text": ["p", 1]},
        {"text": 5},
        {"input_ids": []},
        {"input_ids": [[]]},
        {"input_ids": ["a"]},
        {"input_ids": [-1]},
        {"input_ids": [True]},
        {"text": ["p", "q", "r"]},
    ],
)
def test_prompts_of_another_shape_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises(PolicyBadRequest):
        parse_encode(body, max_prompts=2)


def test_no_request_asks_for_more_completions_than_one_may_hold() -> None:
    body: dict[str, Any] = {"text": ["p", "q"], "sampling_params": {"n": 3}}
    assert parse_generate(body, max_prompts=2, max_completions=6).sequences == 6
    with pytest.raises(PolicyBadRequest, match=r"2 prompts with n=3 .* the 5 completions"):
        parse_generate(body, max_prompts=2, max_completions=5)


@pytest.mark.parametrize(
    "switch",
    [
        {"stream": True},
        {"return_hidden_states": True},
        {"logprob_start_len": 0},
        {"top_logprobs_num": 5},
        {"lora_path": ["iter-7"]},
        {"lora_path": ""},
        {"return_logprob": "yes"},
    ],
)
def test_what_we_cannot_do_is_refused_rather_than_left_out(switch: dict[str, Any]) -> None:
    with pytest.raises(PolicyBadRequest, match=next(iter(switch))):
        parse_generate({"text": "p", **switch}, max_prompts=1, max_completions=64)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["text", "input_ids", "sampling_params", "return_logprob", "stream", "rid", "lora_path"])


@given(st.dictionaries(KEYS, JSON))
def test_any_object_is_either_understood_or_refused(body: dict[str, Any]) -> None:
    try:
        request = parse_generate(body, max_prompts=4, max_completions=64)
    except PolicyBadRequest:
        return
    assert request.prompts
