"""Against servers that answer and refuse as vLLM, llama.cpp, TGI and hosted services do."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_rules import END_TOKEN, OpenAIRules
from wires import CHAT, OPENAI, Wire

from leanebm.core import Candidate, ProofState
from leanebm.errors import (
    ConfigError,
    PolicyBadRequest,
    PolicyProtocolError,
    PolicyTimeout,
    PolicyUnauthorized,
    PromptTooLong,
)
from leanebm.policy import PolicyApi, PolicyClient, PolicyClientConfig
from leanebm.policy._dialects.openai import OpenAIChat, OpenAICompletions
from leanebm.policy._endpoint import Endpoint
from leanebm.policy._failure import AttemptFailed
from leanebm.policy._weights import ModelWatch
from leanebm.policy.statistics import RequestMeter
from leanebm.testing import Answer, FakePolicyServer, Stall, sample_object

Connect = Callable[..., PolicyClient]

SIMP = (("si", -0.5), ("mp", -0.25), (END_TOKEN, -0.125))
RFL = (("rfl", -1.0), ("\n\n", -0.5), ("simp", -9.0))
LONG = (("have ", -1.0), ("h := ", -1.0), ("foo", -1.0))
SERVERS = {
    "vllm": OpenAIRules.vllm,
    "llama.cpp": OpenAIRules.llama_cpp,
    "old llama.cpp": OpenAIRules.old_llama_cpp,
}


@pytest.fixture
def wire() -> Wire:
    return OPENAI


@pytest.fixture(params=SERVERS)
def rules(request: pytest.FixtureRequest) -> Callable[..., OpenAIRules]:
    return SERVERS[request.param]


# --- what is asked, and what comes of it ---


@pytest.mark.parametrize(
    ("owned_by", "own"),
    [
        ("a-service", {}),
        ("vllm", {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}),
        ("llamacpp", {"top_k": 0, "min_p": 0.0, "n_probs": 1}),
    ],
)
async def test_it_sends_these_fields_and_no_others(
    connect: Connect, server: FakePolicyServer, state: ProofState, owned_by: str, own: dict[str, Any]
) -> None:
    OpenAIRules.vllm(SIMP, owned_by=owned_by, takes_unknown_fields=bool(own)).govern(server)
    async with connect(temperature=0.7, top_p=0.95, max_tactic_tokens=64) as policy:
        await policy.propose(state, 2)
    (body,) = server.bodies("/v1/completions")
    assert "⊢ n + 0 = n" in body.pop("prompt")
    assert body == {
        "model": "prover",
        "n": 2,
        "temperature": 0.7,
        "top_p": 0.95,
        "max_tokens": 64,
        "stop": ["\n```", "\n\n"],
        "logprobs": 1,
        "stream": False,
        **own,
    }


async def test_no_stops_are_no_field_since_some_refuse_an_empty_list(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    fenced = (("```lean4\n", -0.1), ("simp", -0.5), ("\n```", -0.1), (END_TOKEN, -0.1))
    OpenAIRules.hosted(fenced).govern(server)
    async with connect(api="openai-chat", model="small", prompt_format="chat") as policy:
        assert [found.tactic for found in await policy.propose(state, 1)] == ["simp"]


async def test_chat_sends_the_prompt_as_one_message(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    OpenAIRules.hosted(SIMP).govern(server)
    async with connect(api="openai-chat", model="small") as policy:
        await policy.wait_ready()
        assert await policy.propose(state, 1) == [Candidate("simp", -0.875, num_tokens=3)]
    check, body = server.bodies("/v1/chat/completions")
    assert check["max_tokens"] == 16
    (message,) = body["messages"]
    assert message["role"] == "user"
    assert message["content"].endswith("```lean4\n")
    assert (body["logprobs"], body["top_logprobs"]) == (True, 1)


@pytest.mark.parametrize("api", ["openai", "openai-chat"])
async def test_the_log_probability_is_the_tactics_with_what_ends_it(
    connect: Connect, server: FakePolicyServer, state: ProofState, api: str
) -> None:
    OpenAIRules.vllm(SIMP, RFL, LONG).govern(server)
    async with connect(api=api, max_tactic_tokens=3) as policy:
        assert await policy.propose(state, 3) == [
            Candidate("simp", -0.875, num_tokens=3),
            Candidate("rfl", -1.5, num_tokens=2),
            Candidate("have h := foo", -3.0, num_tokens=3, is_truncated=True),
        ]


async def test_llama_cpp_leaves_a_stops_tokens_out(
    connect: Connect, server: FakePolicyServer, state: ProofState, caplog: pytest.LogCaptureFixture
) -> None:
    OpenAIRules.llama_cpp(RFL).govern(server)
    async with connect() as policy:
        assert await policy.propose(state, 1) == [Candidate("rfl", -1.0)]
        assert policy.statistics().token_count_mismatches == 0
    assert "disagree" not in caplog.text


async def test_only_the_tokens_of_the_first_tactic_count(
    connect: Connect, server: FakePolicyServer, state: ProofState, rules: Callable[..., OpenAIRules]
) -> None:
    rules((("intro n", -1.0), ("\n", -0.5), ("rfl", -4.0), (END_TOKEN, -1.0))).govern(server)
    async with connect() as policy:
        assert await policy.propose(state, 1) == [Candidate("intro n", -1.0)]


async def test_characters_split_over_tokens_are_put_together_from_their_bytes(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    bytes_of_langle = list("⟨".encode())
    content = [
        {"token": "exact ", "logprob": -1.0, "bytes": None},
        {"token": "\ufffd", "logprob": -0.5, "bytes": bytes_of_langle[:1]},
        {"token": "\ufffd", "logprob": -0.25, "bytes": bytes_of_langle[1:]},
        {"token": "h⟩", "logprob": -0.125, "bytes": list("h⟩".encode())},
        {"token": "\nsimp", "logprob": -8.0, "bytes": list(b"\nsimp")},
    ]
    choice = {"text": "exact ⟨h⟩\nsimp", "logprobs": {"content": content}, "finish_reason": "stop"}
    server.script("/v1/completions", Answer(json={"choices": [choice]}))
    async with connect() as policy:
        assert await policy.propose(state, 1) == [Candidate("exact ⟨h⟩", -1.875, num_tokens=4)]


async def test_without_their_bytes_all_tokens_count_which_is_never_too_likely(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    log_probs = {"tokens": ["exact \ufffd", "\ufffdh⟩", "\nsimp"], "token_logprobs": [-1.0, -1.0, -8.0]}
    choice = {"text": "exact ⟨h⟩\nsimp", "logprobs": log_probs, "finish_reason": "stop"}
    server.script("/v1/completions", Answer(json={"choices": [choice], "usage": {"completion_tokens": 4}}))
    async with connect() as policy:
        assert await policy.propose(state, 1) == [Candidate("exact ⟨h⟩", -10.0, num_tokens=3)]
        assert policy.statistics().token_count_mismatches == 1


async def test_a_sample_without_a_word_is_dropped(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    OpenAIRules.llama_cpp((("\n\n", -0.1),), SIMP).govern(server)
    async with connect() as policy:
        assert [found.tactic for found in await policy.propose(state, 2)] == ["simp"]
        assert policy.statistics().dropped_samples == 1


# --- several samples ---


async def test_a_server_that_takes_several_gets_one_request(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    OpenAIRules.vllm(SIMP, RFL).govern(server)
    async with connect(sampling_seed=7) as policy:
        assert len(await policy.propose(state, 8)) == 2
    assert [(body["n"], body["seed"]) for body in server.bodies("/v1/completions")] == [(8, 7)]


@pytest.mark.parametrize(
    ("rules", "api", "n"),
    [
        (OpenAIRules.llama_cpp, "openai", 5),
        (OpenAIRules.old_llama_cpp, "openai", 3),
        (OpenAIRules.old_llama_cpp, "openai-chat", 3),
        (OpenAIRules.tgi, "openai-chat", 3),
    ],
    ids=["more than slots", "a 500", "a 500 in chat", "n without effect"],
)
async def test_otherwise_each_sample_is_a_request_with_a_seed_of_its_own(
    connect: Connect,
    server: FakePolicyServer,
    state: ProofState,
    rules: Callable[..., OpenAIRules],
    api: str,
    n: int,
) -> None:
    rules(SIMP, RFL, LONG).govern(server)
    path = OPENAI.path if api == "openai" else CHAT.path
    async with connect(api=api) as policy:
        assert len(await policy.propose(state, n)) == 3
        first = server.bodies(path)
        await policy.propose(state, n)
        later = server.bodies(path)[len(first) :]
        assert policy.statistics().in_flight == 0
    assert [body.get("n") for body in first] == [n, *[None] * n]
    assert [body.get("n") for body in later] == [None] * n  # it is not asked again what it refused
    for bodies in (first[1:], later):
        assert len({body["seed"] for body in bodies}) == n


async def test_the_seeds_follow_the_one_that_is_set(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    OpenAIRules.old_llama_cpp(SIMP, RFL, LONG).govern(server)
    async with connect(sampling_seed=40) as policy:
        await policy.propose(state, 3)
    assert sorted(body["seed"] for body in server.bodies("/v1/completions")) == [40, 40, 41, 42]


async def test_what_is_refused_for_another_reason_is_not_sent_n_times(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/v1/completions", then=Answer(status=400, json={"error": {"message": "top_p must be positive"}}))
    async with connect() as policy:
        with pytest.raises(PolicyBadRequest, match="top_p must be positive"):
            await policy.propose(state, 8)
    assert len(server.bodies("/v1/completions")) == 2


async def test_a_prompt_too_long_is_not_sent_again_alone(
    connect: Connect, server: FakePolicyServer, state: ProofState, rules: Callable[..., OpenAIRules]
) -> None:
    rules(SIMP, max_n=8, context_chars=10).govern(server)
    async with connect() as policy:
        with pytest.raises(PromptTooLong):
            await policy.propose(state, 8)
    assert len(server.bodies("/v1/completions")) == 1


async def test_samples_that_came_are_used_though_another_failed(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    OpenAIRules.tgi(SIMP, RFL).govern(server)
    async with connect(api="openai-chat", deadline_s=3.0) as policy:
        await policy.propose(state, 2)
        server.script("/v1/chat/completions", Stall())
        assert len(await policy.propose(state, 3)) == 2
        assert policy.statistics().dropped_samples == 1
        server.script("/v1/chat/completions", then=Stall())
        with pytest.raises(PolicyTimeout):
            await policy.propose(state, 3)
        assert policy.statistics().in_flight == 0


async def test_once_n_was_honoured_another_number_is_an_error(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire
) -> None:
    simp = sample_object("simp", -0.1)
    server.script(wire.path, wire.answer(simp, simp), then=wire.answer(simp))
    async with connect() as policy:
        await policy.propose(state, 2)
        with pytest.raises(PolicyProtocolError, match="1 samples where 2"):
            await policy.propose(state, 2)


async def test_the_likeliest_tactic_is_asked_for_once(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    OpenAIRules.vllm(SIMP).govern(server)
    async with connect(temperature=0.0) as policy:
        assert len(await policy.propose(state, 8)) == 1
    assert ["n" in body for body in server.bodies("/v1/completions")] == [False]


# --- before work begins ---


@pytest.mark.parametrize("rules", [OpenAIRules.vllm, OpenAIRules.llama_cpp, OpenAIRules.old_llama_cpp])
async def test_a_server_is_known_by_its_list_of_models(
    connect: Connect, server: FakePolicyServer, state: ProofState, rules: Callable[..., OpenAIRules]
) -> None:
    rules(SIMP).govern(server)
    async with connect(api="auto") as policy:
        info = await policy.wait_ready()
        assert len(await policy.propose(state, 1)) == 1
    assert (info.api, info.model_path) == (PolicyApi.OPENAI, "prover")
    assert server.bodies("/generate") == []
    assert server.bodies("/v1/completions")[0]["max_tokens"] == 16  # the check, which is short


async def test_without_a_wait_the_first_request_finds_it_out(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    OpenAIRules.vllm(SIMP).govern(server)
    async with connect(api="auto") as policy:
        for _ in range(3):
            assert len(await policy.propose(state, 1)) == 1
    asked = [request.path for request in server.received]
    assert asked == ["/model_info", "/get_model_info", "/v1/models", *["/v1/completions"] * 3]


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405])
async def test_a_service_that_refuses_unknown_paths_in_its_own_way_is_found_out_all_the_same(
    connect: Connect, server: FakePolicyServer, status: int
) -> None:
    OpenAIRules.vllm(SIMP).govern(server)
    for path in ("/health", "/model_info", "/get_model_info"):
        server.script(path, then=Answer(status=status, json={"error": "no"}))
    async with connect(api="auto") as policy:
        assert (await policy.wait_ready()).api is PolicyApi.OPENAI


async def test_a_web_page_for_every_path_that_is_not_there_does_not_hide_the_api(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    OpenAIRules.vllm(SIMP).govern(server)
    for path in ("/health", "/model_info", "/get_model_info"):
        server.script(path, then=Answer(body=b"<!doctype html><p>Chat with us"))
    async with connect(api="auto") as policy:
        assert (await policy.wait_ready()).api is PolicyApi.OPENAI
        assert len(await policy.propose(state, 1)) == 1


async def test_an_address_of_web_pages_is_told_so(connect: Connect, server: FakePolicyServer) -> None:
    for path in ("/health", "/model_info", "/get_model_info", "/v1/models"):
        server.script(path, then=Answer(body=b"\n<html>Welcome"))
    async with connect(api="auto") as policy:
        with pytest.raises(PolicyProtocolError, match=r"/v1/models .* a web page: is the address right"):
            await policy.wait_ready()


@pytest.mark.parametrize("end", ["/v1", "/v1/", "/v1/completions", "/v1/chat/completions/", "/v1/models"])
async def test_the_address_may_end_as_clients_of_that_api_write_it(
    connect: Connect, server: FakePolicyServer, state: ProofState, end: str
) -> None:
    OpenAIRules.vllm(SIMP).govern(server)
    async with connect(url=server.url + end) as policy:
        await policy.wait_ready()
        assert len(await policy.propose(state, 1)) == 1


async def test_a_key_that_is_wrong_is_told_before_work_begins(connect: Connect, server: FakePolicyServer) -> None:
    OpenAIRules.vllm(SIMP).govern(server)
    server.script("/v1/models", Answer(status=401, json={"error": {"message": "Incorrect API key: hunter2"}}))
    async with connect(api_key="hunter2") as policy:
        with pytest.raises(PolicyUnauthorized, match="LEANEBM_API_KEY") as refused:
            await policy.wait_ready()
    assert "hunter2" not in str(refused.value)
    assert server.received[-1].headers["Authorization"] == "Bearer hunter2"


@pytest.mark.parametrize(
    ("rules", "settings", "says"),
    [
        (OpenAIRules.tgi(SIMP), {}, "--api openai-chat"),
        (OpenAIRules.vllm(SIMP, max_logprobs=0), {}, r"max allowed: 0\. start vLLM with --max-logprobs 1 or more$"),
        (OpenAIRules.vllm(SIMP), {"api": "auto", "adapter": "iter-7"}, "--model iter-7 instead of --adapter"),
        (OpenAIRules.vllm(SIMP), {"api": "openai", "model": "iter-7"}, "no model 'iter-7'; it has prover"),
        (OpenAIRules.vllm(SIMP, paths_with_log_probs=frozenset()), {"api": "openai-chat"}, "no log-probabilities"),
        (OpenAIRules.llama_cpp(SIMP, asks_for="something_else"), {}, "n_probs"),
        (OpenAIRules.hosted(SIMP), {"model": "large"}, "--api openai-chat"),
        (OpenAIRules.hosted(SIMP), {}, r"several models \(large, small\): name one with --model"),
        (OpenAIRules.hosted(SIMP), {"model": "huge"}, "no model 'huge'; it has large, small"),
        (OpenAIRules.vllm(SIMP, thoughts="Hm."), {"api": "openai-chat"}, "thoughts before its answer"),
        (OpenAIRules.vllm((("<think>", -1.0), ("Hm", -1.0))), {}, "thoughts before its answer"),
        (OpenAIRules.vllm(SIMP), {"api": "sglang"}, "leave --api sglang out"),
        (OpenAIRules.hosted(SIMP), {"model": "small"}, "leave --api openai out, or set --api openai-chat"),
        (OpenAIRules.hosted(SIMP), {"api": "auto", "model": "small"}, r"\(HTTP 404\): \{\}; set --api openai-chat"),
        (OpenAIRules.vllm(SIMP, paths=frozenset({OPENAI.path})), {"api": "openai-chat"}, "or set --api openai "),
        (
            OpenAIRules.hosted(SIMP, paths_with_log_probs=frozenset()),
            {"api": "openai-chat", "model": "small"},
            "take a model, or a service, that has them",
        ),
    ],
)
async def test_what_cannot_work_is_told_before_work_begins(
    connect: Connect, server: FakePolicyServer, rules: OpenAIRules, settings: dict[str, Any], says: str
) -> None:
    rules.govern(server)
    async with connect(**{"api": "openai", **settings}) as policy:
        with pytest.raises(ConfigError, match=says):
            await policy.wait_ready()
    assert len(server.received) <= 6


async def test_an_address_where_nothing_of_that_kind_is_is_told_so(connect: Connect, server: FakePolicyServer) -> None:
    server.script("/v1/models", then=Answer(status=404))
    async with connect(api="auto") as policy:
        with pytest.raises(ConfigError, match=r"/generate is not offered .*nor does it list models in /v1/models"):
            await policy.wait_ready()


async def test_a_server_without_a_list_needs_the_models_name(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    OpenAIRules.vllm(SIMP).govern(server)
    server.script("/v1/models", then=Answer(status=404))
    async with connect() as policy:
        with pytest.raises(ConfigError, match="does not list its models: name one with --model"):
            await policy.propose(state, 1)
    async with connect(model="prover") as policy:
        assert (await policy.wait_ready()).api is None
        assert len(await policy.propose(state, 1)) == 1


async def test_an_adapter_is_a_model_to_be_named_and_does_not_hide_the_base(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    OpenAIRules.vllm(SIMP, adapters=("iter-7",)).govern(server)
    for name, asked in ((None, "prover"), ("iter-7", "iter-7")):
        async with connect(model=name) as policy:
            assert (await policy.wait_ready()).model_path == asked
            await policy.propose(state, 1)
        assert server.bodies("/v1/completions")[-1]["model"] == asked


async def test_a_list_of_models_reaches_no_terminal_as_it_is(connect: Connect, server: FakePolicyServer) -> None:
    OpenAIRules.vllm(SIMP, models=tuple(f"\x1bc{number}" for number in range(40))).govern(server)
    async with connect() as policy:
        with pytest.raises(ConfigError, match="and 30 more") as told:
            await policy.wait_ready()
    assert "\x1b" not in str(told.value)


async def test_weights_that_change_behind_the_api_are_noticed_where_it_says_so(
    connect: Connect, server: FakePolicyServer, state: ProofState, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    server.script(wire.path, *(wire.answer(sample_object("simp", -0.1, weight_version=version)) for version in "ab"))
    async with connect() as policy:
        for _ in range(2):
            await policy.propose(state, 1)
        assert policy.statistics().weight_changes == 1
    assert "from 'a' to 'b'" in caplog.text


async def test_a_server_that_only_embeds_may_be_waited_for(connect: Connect, server: FakePolicyServer) -> None:
    OpenAIRules.vllm(SIMP, paths=frozenset()).govern(server)
    async with connect(api="auto") as policy:
        assert (await policy.wait_ready(tactics=False)).api is PolicyApi.OPENAI


async def test_a_policy_server_that_embeds_nothing_says_where_an_encoder_is_to_be_had(
    connect: Connect, server: FakePolicyServer
) -> None:
    OpenAIRules.vllm(SIMP).govern(server)
    async with connect(api="auto") as policy:
        await policy.wait_ready()
        with pytest.raises(ConfigError, match="--encode-url"):
            await policy.encode(["⊢ True"])


# --- anything at all ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "text", "message", "content", "logprobs", "tokens", "token_logprobs", "token"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.sampled_from([OpenAICompletions, OpenAIChat]), st.integers(1, 3))
def test_any_answer_is_samples_or_a_failed_attempt(reply: object, dialect: type[OpenAICompletions], n: int) -> None:
    config = PolicyClientConfig(url="http://h", model="m")
    rng = random.Random(0)  # noqa: S311 - jitter
    meter = RequestMeter()
    endpoint = Endpoint(config.url, config, meter=meter, clock=time.monotonic, sleep=asyncio.sleep, rng=rng)
    watch = ModelWatch(endpoint, meter=meter, stop_on_change=False)
    try:
        batch = dialect(config, endpoint, watch, stop=["\n\n"], rng=rng).decode(reply, n)
    except (PolicyProtocolError, AttemptFailed):
        return
    assert len(batch.samples) + batch.dropped == n
