from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from leanebm.core import ProofState, StateRef
from leanebm.policy import EncoderConfig, PolicyClient, PolicyClientConfig
from leanebm.serve import PolicyServer, ServeConfig, TemplateBackend
from leanebm.testing import Answer, FakePolicyServer, check_policy, sample_object

Connect = Callable[..., PolicyClient]


async def test_it_sends_the_contracts_fields_and_no_others(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/generate", Answer(json=[sample_object("simp", -0.1)] * 2))
    async with connect(temperature=0.7, top_p=0.95, max_tactic_tokens=64) as policy:
        await policy.propose(state, 2)
    (body,) = server.bodies("/generate")
    assert "⊢ n + 0 = n" in body.pop("text")
    assert body == {
        "sampling_params": {
            "n": 2,
            "temperature": 0.7,
            "top_p": 0.95,
            "max_new_tokens": 64,
            "stop": ["\n```", "\n\n"],
        },
        "return_logprob": True,
        "logprob_start_len": -1,
        "top_logprobs_num": 0,
        "return_text_in_logprobs": True,
        "stream": False,
    }


async def test_of_more_samples_than_candidates_the_likeliest_different_ones_are_kept(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    drawn = [("simp", -0.5), ("rfl", -2.0), ("simp", -0.5), ("omega", -1.0), ("sorry", -0.1), ("simp", -0.5)]
    server.script("/generate", Answer(json=[sample_object(text, log_prob) for text, log_prob in drawn]))
    async with connect(samples_per_candidate=3) as policy:
        kept = await policy.propose(state, 2)
        assert (policy.statistics().samples, policy.statistics().candidates) == (6, 2)
    assert [candidate.tactic for candidate in kept] == ["simp", "omega"]
    assert [body["sampling_params"]["n"] for body in server.bodies("/generate")] == [6]


async def test_a_whole_proof_is_one_candidate_of_all_its_tokens(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    proof = sample_object("intro n\n\nsimp", -0.5, -0.25, -0.125, token_texts=["intro n", "\n\n", "simp"])
    server.script("/generate", then=Answer(json=proof))
    async with connect(whole_proofs=True) as policy:
        [whole] = await policy.propose(state, 1)
    async with connect() as policy:
        [first] = await policy.propose(state, 1)
    assert (whole.tactic, whole.log_prob, whole.num_tokens) == ("intro n\n\nsimp", -0.875, 3)
    assert (first.tactic, first.log_prob, first.num_tokens) == ("intro n", -0.5, 1)
    assert [body["sampling_params"]["stop"] for body in server.bodies("/generate")] == [["\n```"], ["\n```", "\n\n"]]
    assert "Give the rest of the proof" in server.bodies("/generate")[0]["text"]


async def test_connections_are_reused(connect: Connect, server: FakePolicyServer, state: ProofState) -> None:
    server.script("/generate", then=Answer(json=sample_object("simp", -0.1)))
    async with connect() as policy:
        for _ in range(3):
            await policy.propose(state, 1)
    assert len({request.connection for request in server.received}) == 1


async def test_a_finished_proof_needs_no_tactics(connect: Connect, server: FakePolicyServer) -> None:
    async with connect() as policy:
        assert not await policy.propose(ProofState((), "done", StateRef(0, 0)), 4)
    assert server.received == []


async def test_at_least_one_sample_must_be_asked_for(connect: Connect, state: ProofState) -> None:
    async with connect() as policy:
        with pytest.raises(ValueError, match="at least 1"):
            await policy.propose(state, 0)


async def test_outside_its_context_it_says_so(connect: Connect, state: ProofState) -> None:
    policy = connect()
    with pytest.raises(RuntimeError, match="async with"):
        await policy.propose(state, 1)
    with pytest.raises(RuntimeError, match="async with"):
        await policy.encode(["a"])


async def test_encoder_and_policy_may_be_two_servers(server: FakePolicyServer, state: ProofState) -> None:
    async with FakePolicyServer() as encoder:
        server.script("/health", then=Answer())
        server.script("/model_info", then=Answer(json={"is_generation": True}))
        server.script("/generate", Answer(json=sample_object("simp", -0.1)))
        encoder.offer_encoder()
        config = PolicyClientConfig(url=server.url, encoder=EncoderConfig(url=encoder.url))
        async with PolicyClient(config) as policy:
            await policy.wait_ready()
            await policy.propose(state, 1)
            assert len(await policy.encode(["a"])) == 1
    assert server.bodies("/encode") == []
    assert encoder.bodies("/generate") == []


async def test_leaving_closes_what_is_under_way(connect: Connect, server: FakePolicyServer) -> None:
    server.offer_encoder()
    async with connect() as policy:
        await policy.identity()
        server.script("/encode", Answer(wait_for=asyncio.Event()))
        asking = asyncio.create_task(policy.encode(["a"]))
        await server.wait_for_requests("/encode", 7)
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_what_was_asked_is_logged_when_the_client_closes(
    connect: Connect, server: FakePolicyServer, state: ProofState, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="leanebm.policy")
    server.script("/generate", Answer(status=500), Answer(json=sample_object("simp", -0.1)))
    async with connect() as policy:
        await policy.propose(state, 1)
    said = caplog.messages[-1]
    assert said.startswith(f"{server.url}: 2 requests, 1 of them retries, 1 failed; 1 samples for 1 states; ")
    caplog.clear()
    async with connect():
        pass
    assert caplog.messages == []  # nothing was asked


async def test_long_states_are_shortened_for_the_prompt(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/generate", Answer(json=sample_object("simp", -0.1)))
    text = "".join(f"h{i} : p {i}\n" for i in range(100)) + state.text
    long = attrs.evolve(state, goals=(attrs.evolve(state.goals[0], text=text),))
    async with connect(max_state_chars=256) as policy:
        await policy.propose(long, 1)
        assert policy.statistics().truncated_states == 1
    (body,) = server.bodies("/generate")
    assert "hypotheses left out" in body["text"]
    assert "⊢ n + 0 = n" in body["text"]


async def test_large_answers_are_read_whole(connect: Connect, server: FakePolicyServer, state: ProofState) -> None:
    long = "simp [" + ", ".join(["foo"] * 400_000) + "]"
    server.script("/generate", Answer(json=sample_object(long, -0.1)))
    async with connect() as policy:
        assert (await policy.propose(state, 1))[0].tactic == long


@pytest.mark.parametrize("prompt_format", ["state_comment", "prefix"])
async def test_the_template_server_satisfies_the_policy_contract(state: ProofState, prompt_format: str) -> None:
    async with PolicyServer(ServeConfig(api_key="k"), TemplateBackend()) as server:
        config = PolicyClientConfig(url=server.url, api_key="k", prompt_format=prompt_format)
        async with PolicyClient(config) as policy:
            info: Any = await policy.wait_ready()
            assert info.contract == 1
            await check_policy(policy, [state])
