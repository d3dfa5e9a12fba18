from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from leanebm.core import EncoderIdentity
from leanebm.errors import ConfigError, EncoderError, PolicyProtocolError
from leanebm.policy import EncoderBackend, PolicyClient
from leanebm.testing import Answer, Compute, FakePolicyServer, check_encoder, embedding_objects, hashed_embedding

Connect = Callable[..., PolicyClient]

BACKEND = EncoderBackend.SGLANG_HIDDEN_STATES


@attrs.define
class StockServer:
    """Answers as SGLang does: a block of states for the tokens that were not cached, then one a new token."""

    cached: int = 0
    """Tokens at the beginning of each prompt whose states are kept back."""

    is_bypassable: bool = True
    """Whether asking for the prompt's log-probabilities brings all states."""

    def generate(self, body: Any) -> Answer:
        tokens = body["text"].split()
        kept_back = 0 if self.is_bypassable and body.get("logprob_start_len") == 0 else self.cached
        block = [hashed_embedding(token) for token in tokens[kept_back:]]
        meta = {
            "prompt_tokens": len(tokens),
            "cached_tokens": kept_back,
            "weight_version": "w1",
            "hidden_states": [block, hashed_embedding("new")],
        }
        return Answer(json={"text": "x", "meta_info": meta})


def offer(server: FakePolicyServer, stock: StockServer, *, version: str = "0.5.17") -> None:
    server.script("/model_info", then=Answer(json={"model_path": "m", "is_generation": True, "weight_version": "w1"}))
    server.script("/server_info", then=Answer(json={"version": version}))
    server.script("/generate", then=Compute(stock.generate))


def mean_of(text: str) -> list[float]:
    rows = [hashed_embedding(token) for token in text.split()]
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


async def test_states_are_averaged_over_all_tokens(connect: Connect, server: FakePolicyServer) -> None:
    offer(server, StockServer())
    async with connect(BACKEND) as policy:
        await check_encoder(policy)
        (vector,) = await policy.encode(["h : p ⊢ q"])
        assert await policy.identity() == EncoderIdentity(
            model="m", weights="w1", pooling="mean", layer="last", is_normalized=False, dim=8
        )
    assert list(vector) == pytest.approx(mean_of("h : p ⊢ q"))
    body = server.bodies("/generate")[-1]
    assert body == {
        "text": "h : p ⊢ q",
        "sampling_params": {"max_new_tokens": 1, "temperature": 0.0},
        "return_hidden_states": True,
        "stream": False,
    }


async def test_case_16_states_that_are_kept_back_are_asked_for_past_the_cache(
    connect: Connect, server: FakePolicyServer
) -> None:
    stock = StockServer()
    offer(server, stock)
    async with connect(BACKEND) as policy:
        await policy.identity()
        stock.cached = 1
        before = len(server.bodies("/generate"))
        (vector,) = await policy.encode(["h : p ⊢ q"])
    assert list(vector) == pytest.approx(mean_of("h : p ⊢ q"))
    first, second = server.bodies("/generate")[before:]
    assert "extra_key" not in first
    assert (second["return_logprob"], second["logprob_start_len"]) == (True, 0)
    assert second["extra_key"]


@pytest.mark.parametrize("cached", [1, 100])
async def test_case_16_if_they_still_are_it_is_an_error_and_not_a_mean_of_the_rest(
    connect: Connect, server: FakePolicyServer, cached: int
) -> None:
    stock = StockServer(is_bypassable=False)
    offer(server, stock)
    async with connect(BACKEND) as policy:
        await policy.identity()
        stock.cached = cached
        with pytest.raises(EncoderError, match=r"states for 5 tokens.*--disable-radix-cache"):
            await policy.encode(["h : p ⊢ q"])


async def test_releases_that_mix_up_states_are_refused(connect: Connect, server: FakePolicyServer) -> None:
    offer(server, StockServer(), version="0.5.16.post1")
    async with connect(BACKEND) as policy:
        with pytest.raises(ConfigError, match=r"update it to 0\.5\.17"):
            await policy.encode(["⊢ p"])
    assert server.bodies("/generate") == []


@pytest.mark.parametrize("said", [Answer(json={"version": "main"}), Answer(status=404)])
async def test_an_unknown_release_is_warned_of(
    connect: Connect, server: FakePolicyServer, said: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    offer(server, StockServer())
    server.script("/server_info", then=said)
    async with connect(BACKEND) as policy:
        await policy.identity()
    assert "does not say which SGLang" in caplog.text


@pytest.mark.parametrize(
    ("info", "said"),
    [({"is_generation": False}, "'sglang_encode'"), ({"leanebm": {"contract": 1}}, "'encode_pooled'")],
)
async def test_servers_of_another_kind_are_refused(
    connect: Connect, server: FakePolicyServer, info: object, said: str
) -> None:
    server.script("/model_info", then=Answer(json=info))
    async with connect(BACKEND) as policy:
        with pytest.raises(ConfigError, match=said):
            await policy.identity()


@pytest.mark.parametrize(
    "meta",
    [
        {},
        {"prompt_tokens": 2, "hidden_states": None},
        {"prompt_tokens": 2, "hidden_states": [0.5, 0.5]},
        {"prompt_tokens": 2, "hidden_states": [[[1.0, 2.0], [1.0]]]},
        {"prompt_tokens": 2, "hidden_states": [[[1.0, "x"], [1.0, 2.0]]]},
    ],
)
async def test_other_answers_are_off_the_contract(connect: Connect, server: FakePolicyServer, meta: object) -> None:
    offer(server, StockServer())
    server.script("/generate", then=Answer(json={"text": "", "meta_info": meta}))
    async with connect(BACKEND) as policy:
        with pytest.raises(PolicyProtocolError):
            await policy.encode(["⊢ p"])


Connect_sglang_encode = Callable[..., PolicyClient]

BACKEND_SGLANG_ENCODE = EncoderBackend.SGLANG_ENCODE


def unit(text: str) -> list[float]:
    vector = hashed_embedding(text)
    return [number / math.hypot(*vector) for number in vector]


def embed(body: Any) -> Answer:
    return Answer(json=embedding_objects(*map(unit, body["text"]), weight_version="default"))


async def test_it_is_the_last_token_at_length_one(connect: Connect_sglang_encode, server: FakePolicyServer) -> None:
    server.script("/get_model_info", then=Answer(json={"model_path": "m", "is_generation": False}))
    server.script("/encode", then=Compute(embed))
    async with connect(BACKEND_SGLANG_ENCODE, required_pooling="last") as policy:
        await check_encoder(policy)
        assert await policy.identity() == EncoderIdentity(
            model="m", pooling="last", layer="last", is_normalized=True, dim=8
        )


async def test_it_is_no_mean(connect: Connect_sglang_encode, server: FakePolicyServer) -> None:
    server.script("/model_info", then=Answer(json={"is_generation": False}))
    async with connect(BACKEND_SGLANG_ENCODE) as policy:
        with pytest.raises(ConfigError, match="'last' embeddings, but 'mean'"):
            await policy.identity()


@pytest.mark.parametrize(
    ("info", "said"),
    [({"is_generation": True}, "--is-embedding"), ({"leanebm": {"contract": 1}}, "'encode_pooled'")],
)
async def test_servers_of_another_kind_are_refused_sglang_encode(
    connect: Connect_sglang_encode, server: FakePolicyServer, info: object, said: str
) -> None:
    server.script("/model_info", then=Answer(json=info))
    async with connect(BACKEND_SGLANG_ENCODE, required_pooling="last") as policy:
        with pytest.raises(ConfigError, match=said):
            await policy.identity()
