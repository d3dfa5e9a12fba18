"""A small language model with everything to learn: a tokenizer made for its texts, and random weights."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import attrs
import torch
from attrs.validators import ge
from safetensors.torch import save
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from leanebm._shown import fitting_repr
from leanebm.errors import ConfigError
from leanebm.storage import write_atomically

__all__ = ["FreshModelConfig", "fresh_model"]

_BOS: Final = "<s>"
_EOS: Final = "</s>"
_WORDS: Final = r"[^\S\n]?[^\W\d]+|\d|[^\S\n]?[^\w\s]|\s"
"""What a token may be a part of: a word, a digit, or a sign, each with the blank before it; or a line's end."""


@attrs.frozen(kw_only=True)
class FreshModelConfig:
    """The shape of a Llama. The defaults make 4.8 million weights."""

    vocabulary: int = attrs.field(default=2048, validator=ge(258))
    """Most token ids; 256 are the bytes, so that any text has tokens, and two begin and end a text."""

    hidden: int = attrs.field(default=256, validator=ge(8))
    """Width of the hidden state, a multiple of twice the number of ``heads``."""

    layers: int = attrs.field(default=5, validator=ge(1))
    heads: int = attrs.field(default=4, validator=ge(1))
    context: int = attrs.field(default=2048, validator=ge(16))
    """Longest prompt with its completion, in tokens."""

    seed: int = attrs.field(default=0, validator=ge(0))
    """Of the weights."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"'hidden' must be a multiple of 2 · heads = {2 * self.heads}, and is {self.hidden}")


def fresh_model(folder: str | os.PathLike[str], texts: Iterable[str], config: FreshModelConfig | None = None) -> Path:
    """Write a Llama with random weights as a Hugging Face folder, for a fine-tuning of the ``whole`` model.

    Same texts, same config: same folder.

    Args:
        folder: made if it is not there.
        texts: states and tactics as the model will see them, from which the tokenizer learns what is frequent.
        config: the model's shape.

    Returns:
        The folder.

    Raises:
        ConfigError: there is a model already.
    """
    folder, config = Path(folder), config or FreshModelConfig()
    if (folder / "config.json").exists():
        raise ConfigError(f"{folder} already holds a model: name another folder, or delete it")
    folder.mkdir(parents=True, exist_ok=True)
    size = _write_tokenizer(folder, texts, config.vocabulary)
    shape = LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=size,
        hidden_size=config.hidden,
        intermediate_size=3 * config.hidden,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        max_position_embeddings=config.context,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=None,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = LlamaForCausalLM(shape)
    weights = {name: parameter.detach().contiguous() for name, parameter in model.named_parameters()}
    write_atomically(folder / "model.safetensors", save(weights, {"format": "pt"}))
    shape.save_pretrained(folder)  # last: it says that the folder is complete
    return folder


def _write_tokenizer(folder: Path, texts: Iterable[str], vocabulary: int) -> int:
    """Make and save a byte-level BPE tokenizer; how many ids it has."""
    untyped: Any = (Tokenizer, pre_tokenizers, trainers, processors, PreTrainedTokenizerFast)
    make, splitters, teachers, closers, wrapper = untyped
    tokenizer = make(models.BPE())
    words = splitters.Split(_regex(_WORDS), behavior="isolated")
    tokenizer.pre_tokenizer = splitters.Sequence([words, splitters.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = splitters.ByteLevel.alphabet()
    trainer = teachers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[_BOS, _EOS], initial_alphabet=sorted(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    begins = [(_BOS, tokenizer.token_to_id(_BOS))]
    tokenizer.post_processor = closers.TemplateProcessing(single=f"{_BOS} $A", special_tokens=begins)
    wrapper(tokenizer_object=tokenizer, bos_token=_BOS, eos_token=_EOS).save_pretrained(folder)
    size: int = tokenizer.get_vocab_size()
    return size


def _regex(pattern: str) -> Any:
    from tokenizers import Regex

    return Regex(pattern)
