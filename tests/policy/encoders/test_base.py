from __future__ import annotations

from collections.abc import Callable

import pytest

from leanebm.core import EncoderIdentity
from leanebm.errors import ConfigError
from leanebm.policy import EncoderBackend, PolicyClient, PolicyClientConfig
from leanebm.serve import PolicyServer, ServeConfig, TemplateBackend
from leanebm.testing import Answer, FakePolicyServer, check_encoder

Connect = Callable[..., PolicyClient]


@pytest.mark.parametrize(
    ("info", "advice"),
    [
        ({"is_generation": False}, "'sglang_encode'"),
        ({"is_generation": True}, "a server with an encoder"),
        ({"is_generation": True, "leanebm": {"contract": 1, "encode": None}}, "a server with an encoder"),
    ],
)
async def test_a_server_that_does_not_say_how_it_pools_is_refused(
    connect: Connect, server: FakePolicyServer, info: object, advice: str
) -> None:
    server.script("/model_info", then=Answer(json=info))
    async with connect(EncoderBackend.ENCODE_POOLED) as policy:
        with pytest.raises(ConfigError, match=advice):
            await policy.encode(["⊢ p"])
    assert server.bodies("/encode") == []


async def test_an_adapter_is_known_by_its_weights(connect: Connect, server: FakePolicyServer) -> None:
    server.offer_encoder()
    said = {"contract": 1, "encode": {"pooling": "mean"}, "adapters": {"frozen": "f00d"}}
    server.script("/model_info", Answer(json={"weight_version": "w1", "leanebm": said}))
    async with connect(EncoderBackend.ENCODE_POOLED, adapter="frozen") as policy:
        assert (await policy.identity()).adapter == "frozen@f00d"


async def test_our_own_server_is_an_encoder() -> None:
    async with PolicyServer(ServeConfig(), TemplateBackend()) as server:
        config = PolicyClientConfig(url=server.url)
        async with PolicyClient(config) as policy:
            identity = await policy.identity()
            await check_encoder(policy)
    assert isinstance(identity, EncoderIdentity)
    assert identity.pooling == "mean"
    assert identity.weights
