from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from leanebm.core import EncoderIdentity
from leanebm.errors import ConfigError, PolicyProtocolError
from leanebm.policy import EncoderBackend, PolicyClient
from leanebm.testing import Answer, Compute, FakePolicyServer, check_encoder, hashed_embedding

Connect = Callable[..., PolicyClient]
BACKEND = EncoderBackend.OPENAI_EMBEDDINGS
MODELS = Answer(json={"object": "list", "data": [{"id": "prover", "object": "model"}]})


def embed(body: Any) -> Answer:
    """The vectors, last first: the order is told by the index alone."""
    vectors = [[x / math.hypot(*vector) for x in vector] for vector in map(hashed_embedding, body["input"])]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return Answer(json={"object": "list", "model": body["model"], "data": data[::-1]})


async def test_the_first_model_listed_is_asked(connect: Connect, server: FakePolicyServer) -> None:
    server.script("/v1/models", then=MODELS)
    server.script("/v1/embeddings", then=Compute(embed))
    async with connect(BACKEND, pooling="mean", weights="w1") as policy:
        await check_encoder(policy)
        assert await policy.identity() == EncoderIdentity(
            model="prover", weights="w1", pooling="mean", is_normalized=True, dim=8
        )
    assert {body["model"] for body in server.bodies("/v1/embeddings")} == {"prover"}


async def test_a_model_may_be_named(connect: Connect, server: FakePolicyServer) -> None:
    server.script("/v1/embeddings", then=Compute(embed))
    async with connect(BACKEND, pooling="mean", model="mine") as policy:
        assert (await policy.identity()).model == "mine"


async def test_without_a_name_and_a_list_there_is_nothing_to_ask_for(connect: Connect) -> None:
    async with connect(BACKEND, pooling="mean") as policy:
        with pytest.raises(ConfigError, match=r"encoder\.model"):
            await policy.identity()


@pytest.mark.parametrize(
    "reply",
    [
        None,
        [],
        {"data": []},
        {"data": [{"embedding": [1.0]}]},
        {"data": [{"index": 1, "embedding": [1.0]}]},
        {"data": [{"index": 0}]},
        {"data": ["x"]},
    ],
)
async def test_other_answers_are_off_the_contract(connect: Connect, server: FakePolicyServer, reply: object) -> None:
    server.script("/v1/models", then=MODELS)
    server.script("/v1/embeddings", then=Answer(json=reply))
    async with connect(BACKEND, pooling="mean") as policy:
        with pytest.raises(PolicyProtocolError):
            await policy.identity()
