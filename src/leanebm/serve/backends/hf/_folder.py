"""What a model's folder must hold, found out before anything heavy is imported or read."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from leanebm.errors import ConfigError
from leanebm.serve.backends.hf.config import HfConfig

__all__ = ["check_installed", "check_paths", "problems_of_adapter", "problems_of_weights", "weight_hash"]

_LIBRARIES: Final = ("torch", "transformers", "tokenizers", "safetensors", "peft", "numpy")
_INDEX: Final = "model.safetensors.index.json"


def check_installed() -> None:
    """See that the libraries of the ``serve`` extra are here.

    Raises:
        ConfigError: some are not.
    """
    absent = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if absent:
        raise ConfigError(
            f"serving a model needs {', '.join(absent)}: run  python -m pip install 'leanebm[serve]'",
        )


def check_paths(config: HfConfig) -> None:
    """See that the model and its adapters are where they should be.

    Raises:
        ConfigError: with everything that is missing.
    """
    folder = Path(config.model)
    problems = [f"{problem} @ model" for problem in problems_of_weights(folder)]
    if not problems and not (folder / "tokenizer.json").is_file():
        problems.append(f"{folder} has no tokenizer.json, and only fast tokenizers are served @ model")
    for name, path in config.adapters.items():
        problems += [f"{problem} @ adapters.{name}" for problem in problems_of_adapter(Path(path))]
    if problems:
        raise ConfigError(f"cannot serve {config.model}", problems)


def problems_of_weights(folder: Path) -> list[str]:
    """What is wrong with a folder of weights, as far as the names of its files tell."""
    if not (folder / "config.json").is_file():
        return [f"{folder} is not the folder of a model: it has no config.json"]
    try:
        absent = [path.name for path in _weight_files(folder) if not path.is_file()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"{folder / _INDEX} cannot be read: {error!r}"]
    if absent:
        return [f"{folder} lacks {', '.join(absent)}; only weights in safetensors are read, for they cannot run code"]
    return []


def problems_of_adapter(folder: Path) -> list[str]:
    """What is wrong with a folder of a LoRA adapter, as far as the names of its files tell."""
    absent = [name for name in ("adapter_config.json", "adapter_model.safetensors") if not (folder / name).is_file()]
    return [f"{folder} is not the folder of an adapter: it has no {' and no '.join(absent)}"] if absent else []


def weight_hash(folder: Path) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of a model's or an adapter's weight files."""
    digest = hashlib.sha256()
    for path in _weight_files(folder):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _weight_files(folder: Path) -> list[Path]:
    """In a fixed order; stray files beside them are left out."""
    return [folder / name for name in sorted(set(_weight_names(folder)))]


def _weight_names(folder: Path) -> Iterator[str]:
    if (folder / "adapter_model.safetensors").is_file():
        yield "adapter_model.safetensors"
    elif (folder / _INDEX).is_file():
        yield from json.loads((folder / _INDEX).read_text("utf-8"))["weight_map"].values()
    else:
        yield "model.safetensors"
