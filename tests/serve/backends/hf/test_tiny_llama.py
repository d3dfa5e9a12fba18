from __future__ import annotations

from pathlib import Path

from _tiny_llama import tiny_llama


def test_a_seed_fixes_the_weights_and_the_tokenizer_is_always_the_same(tmp_path: Path) -> None:
    one, same, other = (tiny_llama(tmp_path / name, seed=seed) for name, seed in [("a", 0), ("b", 0), ("c", 1)])
    weights = [(folder / "model.safetensors").read_bytes() for folder in (one, same, other)]
    assert weights[0] == weights[1] != weights[2]
    assert len({(folder / "tokenizer.json").read_bytes() for folder in (one, same, other)}) == 1


def test_every_text_has_tokens_that_spell_it(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama(tmp_path), local_files_only=True)
    for text in ("n : Nat\n⊢ n = n", "𝔸 é \x00", ""):
        ids = tokenizer(text).input_ids
        assert ids[0] == tokenizer.bos_token_id
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
