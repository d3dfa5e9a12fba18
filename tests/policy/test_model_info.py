from __future__ import annotations

import pytest

from leanebm.policy import EncoderInfo, ModelInfo


def test_our_own_server_says_everything() -> None:
    encode = {"pooling": "mean", "layer": "last", "normalized": False, "include_bos": True, "dim": 64, "max_batch": 8}
    info = ModelInfo.from_reply(
        {
            "model_path": "m",
            "is_generation": True,
            "weight_version": "w1",
            "leanebm": {"contract": 1, "encode": encode},
        }
    )
    assert info.encoder == EncoderInfo(pooling="mean", layer="last", is_normalized=False, dim=64, max_batch=8)
    assert (info.model_path, info.weight_version, info.contract) == ("m", "w1", 1)


def test_a_stock_server_generates_or_pools_the_last_token() -> None:
    assert ModelInfo.from_reply({"is_generation": True}).encoder is None
    stock = ModelInfo.from_reply({"is_generation": False}).encoder
    assert stock == EncoderInfo(pooling="last", is_normalized=True)


@pytest.mark.parametrize("reply", [None, [], "x", {"model_path": 5, "leanebm": "?", "is_generation": "yes"}])
def test_nonsense_says_nothing(reply: object) -> None:
    assert ModelInfo.from_reply(reply) == ModelInfo()


def test_the_fingerprint_tells_weights_apart() -> None:
    one, two = (ModelInfo(model_path="m", weight_version=version) for version in ("w1", "w2"))
    assert one.fingerprint != two.fingerprint
    assert one.fingerprint == ModelInfo(model_path="m", weight_version="w1").fingerprint
