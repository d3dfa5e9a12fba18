from __future__ import annotations

import json
from pathlib import Path

import pytest
from _tiny_llama import tiny_llama as build_tiny_llama
from hypothesis import given
from hypothesis import strategies as st

from leanebm.errors import ConfigError, PolicyBadRequest
from leanebm.serve.backends.hf.tokenizer import PromptTokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_llama: Path) -> PromptTokenizer:
    return PromptTokenizer.load(tiny_llama, trust_remote_code=False)


@given(text=st.text().filter(lambda text: "<s>" not in text and "</s>" not in text))  # which mean what they say
def test_tokens_spell_their_text_as_they_come(tokenizer: PromptTokenizer, text: str) -> None:
    (tokens,) = tokenizer.encode([text])
    stream = tokenizer.stream(skip_special_tokens=True)
    assert "".join(map(stream.next, tokens)) == text
    assert tokens[0] == 0
    assert len(text) <= tokenizer.longest_token * len(tokens)


def test_special_tokens_are_spelt_on_demand(tokenizer: PromptTokenizer) -> None:
    texts = {}
    for skip in (True, False):
        stream = tokenizer.stream(skip_special_tokens=skip)
        texts[skip] = "".join(map(stream.next, [*tokenizer.encode(["p"])[0], 1]))
    assert texts == {True: "p", False: "<s>p</s>"}


def test_half_a_character_is_refused(tokenizer: PromptTokenizer) -> None:
    with pytest.raises(PolicyBadRequest, match="cannot be encoded"):
        tokenizer.encode(["fine", "\ud800"])


def test_a_checkpoint_cannot_cut_prompts_short(tmp_path: Path) -> None:
    folder = build_tiny_llama(tmp_path)
    path = folder / "tokenizer.json"
    settings = json.loads(path.read_text("utf-8"))
    settings["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    path.write_text(json.dumps(settings), "utf-8")
    tokens, other = PromptTokenizer.load(folder, trust_remote_code=False).encode(["⊢ n + 0 = n", "p"])
    assert len(tokens) > 4
    assert len(other) == 2


def test_a_broken_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = build_tiny_llama(tmp_path)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match="tokenizer"):
        PromptTokenizer.load(folder, trust_remote_code=False)
