from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from leanebm.errors import ConfigError
from leanebm.serve.backends.hf._key_values import KeyValues
from leanebm.serve.backends.hf._language_model import LanguageModel

PROMPTS = [[0, 5, 9], [0, 200, 3, 17, 44]]


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"lora_alpha": 3}])
def test_an_adapter_adds_its_product_to_the_weights(
    model: LanguageModel, oracle: Any, write_adapter: Any, settings: dict[str, Any]
) -> None:
    adapter = write_adapter(**settings)
    model.adapters.load("a", adapter)
    plain = [oracle.embedding(row) for row in PROMPTS]
    oracle.merge(adapter)
    for row, vector, base, before in zip(
        PROMPTS, model.embeddings(PROMPTS, adapter="a"), model.embeddings(PROMPTS), plain, strict=True
    ):
        assert list(vector or ()) == pytest.approx(oracle.embedding(row), abs=1e-5)
        assert list(base or ()) == pytest.approx(before, abs=1e-5)
        assert max(abs(x - y) for x, y in zip(vector or (), before, strict=True)) > 0.01
    logits = model.logits(PROMPTS, KeyValues(), adapter="a")
    for row, got in zip(PROMPTS, logits, strict=True):
        torch.testing.assert_close(got.cpu(), oracle.logits(row)[-1], atol=2e-5, rtol=1e-4)


def test_several_adapters_do_not_notice_one_another(model: LanguageModel, write_adapter: Any) -> None:
    folders = {"a": write_adapter("a", seed=1), "b": write_adapter("b", seed=2, use_rslora=True)}
    alone: dict[str | None, object] = {}
    for name, folder in folders.items():
        model.adapters.load(name, folder)
        alone[name] = model.embeddings(PROMPTS, adapter=name)
        model.adapters.unload(name)
    alone[None] = model.embeddings(PROMPTS)
    for name, folder in folders.items():
        model.adapters.load(name, folder)
    turns: tuple[str | None, ...] = ("b", None, "a", "b", "a", None)
    for turn in turns:
        assert model.embeddings(PROMPTS, adapter=turn) == alone[turn]
    model.adapters.unload("a")
    assert model.embeddings(PROMPTS, adapter="b") == alone["b"]
    assert model.embeddings(PROMPTS) == alone[None]


def test_a_name_is_taken_until_it_is_unloaded(model: LanguageModel, write_adapter: Any) -> None:
    first, second = write_adapter("first", seed=1), write_adapter("second", seed=2)
    model.adapters.load("a", first)
    version = model.adapters.versions["a"]
    with pytest.raises(ConfigError, match="already loaded"):
        model.adapters.load("a", second)
    model.adapters.unload("a")
    assert not model.adapters.versions
    model.adapters.load("a", second)
    assert model.adapters.versions["a"] != version


def test_what_is_not_loaded_cannot_be_used_or_unloaded(model: LanguageModel) -> None:
    for use in (model.adapters.unload, model.adapters.use):
        with pytest.raises(ConfigError, match="'a'"):
            use("a")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"target_modules": ["nope"]}, "nope"),
        ({"target_modules": ["q_proj"]}, "belongs to no layer"),
        ({"target_modules": ["q_proj", "o_proj", "k_proj"]}, "not in the file"),
        ({"r": 8}, "size mismatch"),
        ({"width": 16}, "size mismatch"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"peft_type": "IA3", "target_modules": ["q_proj"]}, "only LoRA"),
        ({"r": "four"}, "does not fit"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_and_leaves_no_trace(
    model: LanguageModel, write_adapter: Any, settings: dict[str, Any], said: str
) -> None:
    good = write_adapter("good", seed=1)
    before = model.embeddings(PROMPTS)
    for bad in (write_adapter("bad", **settings), write_adapter("bad2", **settings)):
        with pytest.raises(ConfigError, match=said):
            model.adapters.load("a", bad)
        assert not model.adapters.versions
        assert model.embeddings(PROMPTS) == before
    model.adapters.load("a", good)
    assert model.embeddings(PROMPTS, adapter="a") != before
    with pytest.raises(ConfigError, match=said):
        model.adapters.load("b", bad)
    assert model.embeddings(PROMPTS) == before


def test_a_pickle_is_never_opened(model: LanguageModel, write_adapter: Any) -> None:
    folder: Path = write_adapter()
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(ConfigError, match=r"no adapter_model\.safetensors"):
        model.adapters.load("a", folder)


def test_a_damaged_file_is_refused(model: LanguageModel, write_adapter: Any) -> None:
    folder: Path = write_adapter()
    (folder / "adapter_model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ConfigError, match="cannot be read"):
        model.adapters.load("a", folder)
    (folder / "adapter_config.json").write_text(json.dumps([]))
    with pytest.raises(ConfigError, match="cannot be read"):
        model.adapters.load("a", folder)
