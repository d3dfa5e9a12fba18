from __future__ import annotations

from typing import Any

import pytest

from leanebm.serve import HfConfig


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": ""},
        {"dtype": "int4"},
        {"device": "gpu"},
        {"device": "cuda:x"},
        {"adapters": {"": "path"}},
        {"weight_version": ""},
        {"max_context": 1},
        {"max_sequences": 0},
        {"max_batch_tokens": 0},
        {"max_cache_tokens": 0},
        {"health_timeout_s": 0.0},
        {"seed": -1},
        {"trust_remote_code": "yes"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        HfConfig(**{"model": "m", **wrong})


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1"])
def test_devices_are_named_as_torch_names_them(device: str) -> None:
    assert HfConfig(model="m", device=device).device == device


def test_code_is_not_trusted_unless_told() -> None:
    assert HfConfig(model="m").trust_remote_code is False
