from __future__ import annotations

import pytest

from leanebm.core import EncoderIdentity
from leanebm.policy import ModelInfo


def test_our_own_server_says_everything() -> None:
    encode = {"pooling": "mean", "layer": "last", "normalized": False, "include_bos": True, "dim": 64, "max_batch": 8}
    info = ModelInfo.from_reply(
        {
            "model_path": "m",
            "is_generation": True,
            "weight_version": "w1",
            "leanebm": {
                "contract": 1,
                "encode": {**encode, "dtype": "float32", "adapter": "a"},
                "adapters": {"a": "f00d", "b": 5},
                "prompt_formats": {"": "prefix", "a": "ntp", "b": 5},
            },
        }
    )
    assert info.encoder == EncoderIdentity(
        model="m",
        weights="w1",
        adapter="a",
        pooling="mean",
        layer="last",
        is_normalized=False,
        includes_bos=True,
        dim=64,
        dtype="float32",
    )
    assert (info.model_path, info.weight_version, info.contract, info.max_encode_batch) == ("m", "w1", 1, 8)
    assert info.adapters == {"a": "f00d"}
    assert info.prompt_formats == {"": "prefix", "a": "ntp"}


def test_where_a_model_stands_is_no_matter_if_a_hash_tells_its_weights() -> None:
    def said(path: str, **more: object) -> ModelInfo:
        return ModelInfo.from_reply({"model_path": path, "weight_version": "f00d", **more})

    ours = {"leanebm": {"contract": 1, "encode": {"pooling": "mean"}}}
    here, there = said("/home/me/models/tiny", **ours), said("elsewhere/tiny/", **ours)
    assert here.model_name == "tiny"
    assert here.encoder == there.encoder
    assert said("/x", **ours).encoder != said("/y", **ours).encoder
    assert said(".", **ours).model_name == "."
    assert said("/home/me/models/tiny").model_name == "/home/me/models/tiny"  # whose version may be "default"


@pytest.mark.parametrize("is_generation", [True, False])
def test_a_stock_server_says_nothing_of_embeddings(is_generation: bool) -> None:
    info = ModelInfo.from_reply({"is_generation": is_generation})
    assert (info.is_generation, info.encoder) == (is_generation, None)


@pytest.mark.parametrize(
    "reply",
    [
        None,
        [],
        "x",
        {"model_path": 5, "leanebm": "?", "is_generation": "yes"},
        {"leanebm": {"contract": True, "encode": {"pooling": 3}}},
    ],
)
def test_nonsense_says_nothing(reply: object) -> None:
    assert ModelInfo.from_reply(reply) == ModelInfo()
