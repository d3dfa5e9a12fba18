"""What the folder of a model or an adapter must hold, found out before anything heavy is imported or read."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from leanebm.errors import ConfigError
from leanebm.serve.backends.hf.config import HfConfig

_INDEX: Final = "model.safetensors.index.json"
_ADAPTER: Final = ("adapter_config.json", "adapter_model.safetensors")
_DECISIVE: Final = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
"""Files beside the weights that an answer depends on, as far as a model has them."""

POLICY_NOTE: Final = "leanebm_policy.json"
"""What a fine-tuned model or adapter says of its training: a file of its own, for other programs refuse settings that
they do not know."""

_FLASH: Final = {"flash_attention_2": "flash_attn", "flash_attention_3": "flash_attn_interface"}
"""Implementations that transformers would download if the package is not installed."""


def problems_of_files(model: Path, attention: str | None) -> list[str]:
    """Why the model there cannot be read, or not with this attention, each with the setting that says so."""
    problems = [f"{problem} @ model" for problem in problems_of_model(model)]
    if not problems and not (model / "tokenizer.json").is_file():
        problems.append(f"{model} has no tokenizer.json, and only fast tokenizers are used @ model")
    return [*problems, *(f"{problem} @ attention" for problem in problems_of_attention(attention))]


def check_paths(config: HfConfig) -> None:
    """See that the model and its adapters are where they should be, and that nothing would be downloaded.

    Raises:
        ConfigError: with everything that is wrong.
    """
    problems = problems_of_files(Path(config.model), config.attention)
    for name, path in config.adapters.items():
        problems += [f"{problem} @ adapters.{name}" for problem in problems_of_adapter(Path(path))]
    if problems:
        raise ConfigError(f"cannot serve {config.model}", problems)


def problems_of_model(folder: Path) -> list[str]:
    """What is wrong with a folder of weights, as far as its config and the names of its files show."""
    if not (folder / "config.json").is_file():
        return [f"{folder} is not the folder of a model: it has no config.json"]
    if (folder / _ADAPTER[0]).is_file():  # transformers would add the adapter to the weights, unseen by their version
        return [f"{folder} holds a model and an adapter ({_ADAPTER[0]}): move the adapter to a folder of its own"]
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        return [f"{folder / 'config.json'} cannot be read: {error!r}"]
    try:
        absent = [path.name for path in _weight_files(folder) if not path.is_file()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"{folder / _INDEX} cannot be read: {error!r}"]
    if absent:
        return [f"{folder} lacks {', '.join(absent)}; only weights in safetensors are read, for they cannot run code"]
    return [problem for named in _attentions(config) for problem in problems_of_attention(named)]


def problems_of_attention(implementation: str | None) -> list[str]:
    """What is wrong with an implementation of attention: transformers would download it, and it is code."""
    if implementation is None:
        return []
    if "/" in implementation:
        return [f"the attention {implementation} would be downloaded: choose eager, sdpa or an installed one"]
    package = _FLASH.get(implementation)
    if package is not None and importlib.util.find_spec(package) is None:
        return [f"the attention {implementation} needs the package {package}, which is not installed"]
    return []


def problems_of_adapter(folder: Path) -> list[str]:
    """What is wrong with a folder of a LoRA adapter, as far as the names of its files show."""
    absent = [name for name in _ADAPTER if not (folder / name).is_file()]
    return [f"{folder} is not the folder of an adapter: it has no {' and no '.join(absent)}"] if absent else []


def prompt_format_of(folder: Path) -> str | None:
    """How states were shown to a model or an adapter in training; ``None`` if its folder does not say."""
    return _noted(folder, "prompt_format")


def require_base(adapter: Path, model: Path, hashed: Callable[[Path], str], *, remedy: str) -> None:
    """See that an adapter was made for this model, where it says for which.

    Args:
        adapter: its folder.
        model: its folder.
        hashed: :func:`base_hash`, or what remembers it; asked only where the adapter says something.
        remedy: what to do if it was not.

    Raises:
        ConfigError: it was made for another one.
    """
    base = _noted(adapter, "base_hash")
    if base is not None and base != (here := hashed(model)):
        raise ConfigError(
            f"the adapter in {adapter} was made for another model:",
            [f"its base has the hash {base}, {model} has {here}{remedy}"],
        )


def base_hash(folder: Path) -> str:
    """Tells models apart, whatever number format they are read in; reads the whole model."""
    return model_hash(folder, "")


def _noted(folder: Path, what: str) -> str | None:
    try:
        said = json.loads((folder / POLICY_NOTE).read_text("utf-8"))[what]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return said if isinstance(said, str) else None


def model_hash(folder: Path, dtype: str) -> str:
    """Sixteen hexadecimal digits that change with everything in a model's folder that its answers depend on.

    Args:
        folder: of the model.
        dtype: number format that the weights are converted to.
    """
    beside = [folder / name for name in _DECISIVE]
    return _hash(dtype, [*_weight_files(folder), *beside, *sorted(folder.glob("*.py"))])


def adapter_hash(folder: Path) -> str:
    """The same for an adapter: its weights, and the settings that scale them."""
    return _hash("adapter", [folder / name for name in _ADAPTER])


def _hash(salt: str, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256(salt.encode())
    for path in paths:
        if path.is_file():
            if path.suffix != ".safetensors":  # whose names say nothing, and change when a model is split anew
                digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _weight_files(folder: Path) -> list[Path]:
    """In a fixed order; stray files beside them are left out."""
    if not (folder / _INDEX).is_file():
        return [folder / "model.safetensors"]
    names = json.loads((folder / _INDEX).read_text("utf-8"))["weight_map"].values()
    return [folder / name for name in sorted(set(names))]


def _attentions(config: object) -> Iterator[str]:
    """Every implementation of attention that a ``config.json`` names, those of its parts included."""
    if not isinstance(config, Mapping):
        return
    for key, value in config.items():
        if not key.endswith("attn_implementation"):
            yield from _attentions(value)
        elif isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from (named for named in value.values() if isinstance(named, str))
