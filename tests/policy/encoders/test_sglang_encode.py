from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from leanebm.core import EncoderIdentity
from leanebm.errors import ConfigError
from leanebm.policy import EncoderBackend, PolicyClient
from leanebm.testing import Answer, Compute, FakePolicyServer, check_encoder, embedding_objects, hashed_embedding

Connect = Callable[..., PolicyClient]
BACKEND = EncoderBackend.SGLANG_ENCODE


def unit(text: str) -> list[float]:
    vector = hashed_embedding(text)
    return [number / math.hypot(*vector) for number in vector]


def embed(body: Any) -> Answer:
    return Answer(json=embedding_objects(*map(unit, body["text"]), weight_version="default"))


async def test_it_is_the_last_token_at_length_one(connect: Connect, server: FakePolicyServer) -> None:
    server.script("/get_model_info", then=Answer(json={"model_path": "m", "is_generation": False}))
    server.script("/encode", then=Compute(embed))
    async with connect(BACKEND, required_pooling="last") as policy:
        await check_encoder(policy)
        assert await policy.identity() == EncoderIdentity(
            model="m", pooling="last", layer="last", is_normalized=True, dim=8
        )


async def test_it_is_no_mean(connect: Connect, server: FakePolicyServer) -> None:
    server.script("/model_info", then=Answer(json={"is_generation": False}))
    async with connect(BACKEND) as policy:
        with pytest.raises(ConfigError, match="'last' embeddings, but 'mean'"):
            await policy.identity()


@pytest.mark.parametrize(
    ("info", "said"),
    [({"is_generation": True}, "--is-embedding"), ({"leanebm": {"contract": 1}}, "'encode_pooled'")],
)
async def test_servers_of_another_kind_are_refused(
    connect: Connect, server: FakePolicyServer, info: object, said: str
) -> None:
    server.script("/model_info", then=Answer(json=info))
    async with connect(BACKEND, required_pooling="last") as policy:
        with pytest.raises(ConfigError, match=said):
            await policy.identity()
