from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from leanebm.pipeline.settings import structure_settings, to_toml
from leanebm.policy import EncoderBackend, EncoderConfig


@pytest.mark.parametrize(
    "wrong",
    [
        {"backend": "telepathy"},
        {"url": "nope"},
        {"required_pooling": "max"},
        {"batch_size": 0},
        {"linger_s": -1.0},
        {"cache_file_mib": 0},
        {"backend": "openai_embeddings"},
        {"backend": "openai_embeddings", "pooling": "mean", "adapter": "a"},
        {"pooling": "mean"},
        {"model": "m"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the messages are attrs' own
        EncoderConfig(**wrong)


def test_settings_survive_a_round_trip_through_toml() -> None:
    config = EncoderConfig(
        backend=EncoderBackend.OPENAI_EMBEDDINGS, pooling="last", url="http://h", cache_file=Path("embeddings.sqlite")
    )
    assert structure_settings(tomllib.loads(to_toml(config)), EncoderConfig, source="here") == config
