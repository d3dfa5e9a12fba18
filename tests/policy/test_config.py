from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from leanebm.pipeline.settings import structure_settings, to_toml
from leanebm.policy import EncoderBackend, EncoderConfig, PolicyClientConfig


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "localhost:30000"},
        {"url": "ftp://host"},
        {"url": "http://user:secret@host"},
        {"url": "http://host?key=1"},
        {"url": "http://host,localhost:1"},
        {"url": "http://host,http://user:secret@host"},
        {"url": " , "},
        {"url": "file:"},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_p": 0.0},
        {"max_tactic_tokens": 0},
        {"samples_per_candidate": 0},
        {"prompt_format": "haiku"},
        {"prompt_format": "internlm2_math", "api": "openai-chat"},
        {"api": "gopher"},
        {"api": "openai", "adapter": "a"},
        {"api": "openai-chat", "adapter_path": "a"},
        {"api": "sglang", "model": "m"},
        {"deadline_s": 0.0},
        {"max_state_chars": 10},
        {"api_key": ""},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the messages are attrs' own
        PolicyClientConfig(**{"url": "http://h", **wrong})


def test_several_addresses_are_one_setting_each_once() -> None:
    config = PolicyClientConfig(url="http://a/v1, http://b/,http://a", encoder=EncoderConfig(url="file:/x/http"))
    assert (config.url, config.encoder.url) == ("http://a,http://b", "file:/x/http")
    assert structure_settings(tomllib.loads(to_toml(config)), PolicyClientConfig, source="x") == config


def test_the_key_is_not_shown_and_slashes_do_not_matter() -> None:
    config = PolicyClientConfig(url="http://h:1/", encoder=EncoderConfig(url="http://h:2/"), api_key="hunter2")
    assert "hunter2" not in repr(config)
    assert (config.url, config.encoder.url) == ("http://h:1", "http://h:2")


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
def test_wrong_settings_are_refused_encoder_config(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the messages are attrs' own
        EncoderConfig(**wrong)


def test_settings_survive_a_round_trip_through_toml() -> None:
    config = EncoderConfig(
        backend=EncoderBackend.OPENAI_EMBEDDINGS, pooling="last", url="http://h", cache_file=Path("embeddings.sqlite")
    )
    assert structure_settings(tomllib.loads(to_toml(config)), EncoderConfig, source="here") == config
