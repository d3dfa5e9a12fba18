"""What the batching relies on, tried on models that keep their past in different ways."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from leanebm.errors import ConfigError
from leanebm.serve import HfConfig
from leanebm.serve.backends.hf._language_model import KeyValues, LanguageModel

SIZES = {
    "vocab_size": 369,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": None,
}
GATED = {"intermediate_size": 64, "num_key_value_heads": 2}


def build(folder: Path, tokenizer: Path, architecture: str, settings: dict[str, Any]) -> Path:
    config = getattr(transformers, f"{architecture}Config")(**SIZES, **settings)
    auto: Any = transformers.AutoModelForCausalLM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        auto.from_config(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer / name, folder / name)
    return folder


def reference(folder: Path, row: Sequence[int]) -> torch.Tensor:
    auto: Any = transformers.AutoModelForCausalLM
    with torch.no_grad():
        logits: torch.Tensor = auto.from_pretrained(str(folder)).eval()(torch.tensor([list(row)])).logits[0, -1]
    return logits


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("Mistral", {**GATED, "sliding_window": 8}),
        ("Gemma2", {**GATED, "sliding_window": 8, "head_dim": 8}),
        ("GPT2", {}),
        ("Bloom", {}),
    ],
    ids=["a window that slides", "windows in some layers", "learnt positions", "distances instead of positions"],
)
def test_rows_of_all_lengths_are_right_step_after_step(
    tmp_path: Path, tiny_llama: Path, architecture: str, settings: dict[str, Any]
) -> None:
    folder = build(tmp_path / "model", tiny_llama, architecture, settings)
    model = LanguageModel.load(HfConfig(model=str(folder)))
    rng = random.Random(0)  # noqa: S311 - test data
    rows = [[rng.randrange(300) for _ in range(length)] for length in (3, 20, 1)]
    past = KeyValues()
    logits = model.logits(rows, past)
    for _ in range(12):
        new = [[rng.randrange(300)] for _ in rows]
        rows = [[*row, *token] for row, token in zip(rows, new, strict=True)]
        logits = model.logits(new, past)
    for row, got in zip(rows, logits, strict=True):
        torch.testing.assert_close(got.cpu(), reference(folder, row), rtol=1e-4, atol=1e-4)
    for row, vector in zip(rows, model.embeddings(rows), strict=True):
        (alone,) = model.embeddings([row])
        assert vector is not None
        assert alone is not None
        assert list(vector) == pytest.approx(list(alone), abs=1e-5)


def test_a_recurrent_model_is_refused(tmp_path: Path, tiny_llama: Path) -> None:
    folder = build(tmp_path / "model", tiny_llama, "Mamba", {"state_size": 8})
    with pytest.raises(ConfigError, match="cannot be"):
        LanguageModel.load(HfConfig(model=str(folder)))
