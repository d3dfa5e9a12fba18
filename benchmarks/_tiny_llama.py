"""A language model small enough to build in a test: random weights, a real tokenizer, a real folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

__all__ = ["tiny_llama"]

_CORPUS: Final = (
    "/- tactic state:\nn m : Nat\nh : n = m\n⊢ n + 0 = m\n-/",
    "α : Type\nxs ys : List α\n⊢ (xs ++ ys).length = xs.length + ys.length",
    "p q r : Prop\nhp : p\nhq : q\n⊢ p ∧ (q ∨ ¬r) → r ↔ ∃ x, ∀ y, x ≤ y",
    "simp [Nat.add_comm]\nomega\nexact h\nintro x hx\nrw [h]\ninduction n with\n| zero => rfl\n| succ n ih => simp_all",
)
_BOS, _EOS = "<s>", "</s>"


def tiny_llama(
    folder: str | os.PathLike[str],
    *,
    seed: int = 0,
    hidden: int = 32,
    layers: int = 2,
    context: int = 512,
    vocabulary: int = 384,
    spread: float = 0.3,
) -> Path:
    """Write a Llama with random weights, and a byte-level tokenizer, as a Hugging Face folder.

    It takes about a tenth of a second, once torch and transformers are imported. The tokenizer knows every
    byte, so any text has tokens; it starts each with ``<s>`` (id 0), and ``</s>`` (id 1) ends a completion.

    Args:
        folder: made if it is not there.
        seed: of the weights; the tokenizer is always the same.
        hidden: width of the hidden state, a multiple of 8.
        layers: number of transformer layers.
        context: longest prompt with its completion, in tokens.
        vocabulary: most token ids, at least 258; merges are learnt from a few Lean states.
        spread: standard deviation of the weights; with larger ones the model has stronger opinions.

    Returns:
        The folder.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = Path(folder)
    size = _write_tokenizer(folder, vocabulary)
    config = LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=size,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        initializer_range=spread,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=None,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weights = LlamaForCausalLM(config).state_dict()
    config.save_pretrained(folder)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _write_tokenizer(folder: Path, vocabulary: int) -> int:
    """Train and save a tokenizer; how many ids it has."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[_BOS, _EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_BOS} $A", special_tokens=[(_BOS, tokenizer.token_to_id(_BOS))]
    )
    wrapper: Any = PreTrainedTokenizerFast  # its constructor is not typed
    wrapper(tokenizer_object=tokenizer, bos_token=_BOS, eos_token=_EOS).save_pretrained(folder)
    return tokenizer.get_vocab_size()
