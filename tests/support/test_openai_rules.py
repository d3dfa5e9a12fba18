from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from openai_rules import END_TOKEN, OpenAIRules

from leanebm.testing import FakePolicyServer

SIMP = (("simp", -0.5), (END_TOKEN, -0.25))
CUT = (("rfl", -1.0), ("\n", -0.5), ("\nx", -0.5), ("y", -9.0))
BODY: dict[str, Any] = {"model": "prover", "prompt": "p", "temperature": 1.0, "max_tokens": 8, "stop": ["\n\n"]}
CHAT: dict[str, Any] = {**BODY, "messages": [{"role": "user", "content": "p"}], "logprobs": True, "top_logprobs": 1}


async def ask(rules: OpenAIRules, path: str, **more: Any) -> tuple[int, Any]:
    body = {**(CHAT if "chat" in path else {**BODY, "logprobs": 1}), **more}
    async with FakePolicyServer() as server, aiohttp.ClientSession() as session:
        rules.govern(server)
        async with session.post(server.url + path, json=body) as answer:
            return answer.status, await answer.json()


async def test_a_stop_is_cut_off_the_text_and_its_tokens_are_kept_or_not() -> None:
    _, vllm = await ask(OpenAIRules.vllm(CUT), "/v1/completions")
    assert vllm["choices"] == [
        {
            "index": 0,
            "text": "rfl",
            "logprobs": {"tokens": ["rfl", "\n", "\nx"], "token_logprobs": [-1.0, -0.5, -0.5]},
            "finish_reason": "stop",
        }
    ]
    _, llama = await ask(OpenAIRules.llama_cpp(CUT), "/v1/completions")
    (choice,) = llama["choices"]
    assert choice["text"] == "rfl"
    assert choice["logprobs"]["content"] == [{"token": "rfl", "bytes": [114, 102, 108], "logprob": -1.0}]


@pytest.mark.parametrize(
    ("rules", "path", "more", "status", "says"),
    [
        (OpenAIRules.vllm(SIMP), "/v1/completions", {"model": "other"}, 404, "does not exist"),
        (OpenAIRules.vllm(SIMP), "/v1/completions", {"n": 2, "temperature": 0}, 400, "greedy"),
        (OpenAIRules.vllm(SIMP), "/v1/completions", {"logprobs": 21}, 400, "max allowed: 20"),
        (OpenAIRules.vllm(SIMP), "/v1/completions", {"prompt": "p" * 30_000}, 400, "maximum context length"),
        (OpenAIRules.llama_cpp(SIMP), "/v1/completions", {"n": 5}, 400, "slots"),
        (OpenAIRules.old_llama_cpp(SIMP), "/v1/completions", {"n": 2}, 500, "Only one"),
        (OpenAIRules.hosted(SIMP), "/v1/chat/completions", {"model": "large", "n_probs": 1}, 400, "Unrecognized"),
    ],
)
async def test_refusals(rules: OpenAIRules, path: str, more: dict[str, Any], status: int, says: str) -> None:
    got, body = await ask(rules, path, **more)
    assert got == status
    assert says in body["error"]["message"]


async def test_n_is_honoured_or_not_and_a_seed_chooses() -> None:
    _, several = await ask(OpenAIRules.vllm(SIMP, CUT), "/v1/chat/completions", n=2, seed=1)
    assert [choice["message"]["content"] for choice in several["choices"]] == ["rfl", "simp"]
    _, one = await ask(OpenAIRules.tgi(SIMP, CUT), "/v1/chat/completions", n=2)
    assert len(one["choices"]) == 1


async def test_log_probabilities_are_where_the_server_has_them() -> None:
    assert (await ask(OpenAIRules.tgi(SIMP), "/v1/completions"))[1]["choices"][0]["logprobs"] is None
    old = OpenAIRules.old_llama_cpp(SIMP)
    assert (await ask(old, "/v1/completions"))[1]["choices"][0]["logprobs"] is None
    assert (await ask(old, "/v1/completions", n_probs=1))[1]["choices"][0]["logprobs"]["content"]
