from __future__ import annotations

from pathlib import Path

import pytest

from leanebm.errors import ConfigError
from leanebm.pipeline.finetune.fresh_model import FreshModelConfig, fresh_model
from leanebm.serve.backends.hf.checkpoint import load_checkpoint
from leanebm.serve.backends.hf.tokenizer import PromptTokenizer

SMALL = FreshModelConfig(vocabulary=300, hidden=32, layers=1, context=64)
TEXTS = ("p q : Prop\nh1 : p ∧ q\n⊢ q ∧ p", "obtain ⟨h1, h2⟩ := h1", "constructor")


def test_a_fresh_model_is_a_folder_that_can_be_served(tmp_path: Path) -> None:
    folder = fresh_model(tmp_path / "fresh", TEXTS, SMALL)
    model = load_checkpoint(folder, dtype=None, attention=None, trust_remote_code=False)
    assert model.config.vocab_size <= 300
    assert model.config.max_position_embeddings == 64


def test_its_tokenizer_reads_any_text_and_keeps_a_name_apart_from_its_number(tmp_path: Path) -> None:
    tokenizer = PromptTokenizer.load(fresh_model(tmp_path / "fresh", TEXTS * 9, SMALL), trust_remote_code=False)
    for text in (*TEXTS, "never seen: 𝔽 \t☃\n\n"):
        ids = tokenizer.encode([text])[0]
        stream = tokenizer.stream(skip_special_tokens=True)
        assert tokenizer.includes_bos
        assert "".join(map(stream.next, ids)) == text
    assert len(tokenizer.encode(["constructor"])[0]) == 2, "a frequent word is one token, after the one that begins"
    first, second = (tokenizer.encode([text])[0] for text in ("exact h1", "exact h2"))
    assert first[:-1] == second[:-1]


def test_the_same_texts_make_the_same_model(tmp_path: Path) -> None:
    one, other = (fresh_model(tmp_path / name, TEXTS, SMALL) for name in ("one", "other"))
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_a_model_is_never_written_over(tmp_path: Path) -> None:
    fresh_model(tmp_path / "fresh", TEXTS, SMALL)
    with pytest.raises(ConfigError, match="already holds a model"):
        fresh_model(tmp_path / "fresh", TEXTS, SMALL)


def test_a_width_that_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 2 · heads = 8"):
        FreshModelConfig(hidden=36)
