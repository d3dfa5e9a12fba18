"""Weights from a folder, into a model that serves or that is about to."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from leanebm.errors import ConfigError
from leanebm.serve.backends.hf.folder import problems_of_model

_log = logging.getLogger(__name__)

_IMMATERIAL: Final = frozenset(
    {"_name_or_path", "transformers_version", "dtype", "torch_dtype", "use_cache", "pad_token_id", "initializer_range"}
)
"""Settings of a config that no result depends on."""

_WRAPPED: Final = re.compile(r"(?<=\.)base_layer\.")
"""What an adapter puts into a tensor's name: once for each time that it wraps the layer."""


def load_checkpoint(
    folder: Path, *, dtype: torch.dtype | None, attention: str | None, trust_remote_code: bool
) -> PreTrainedModel:
    """A causal language model in main memory, complete and finite.

    Args:
        folder: a Hugging Face folder with safetensors.
        dtype: ``None`` keeps the checkpoint's own.
        attention: implementation; ``None`` leaves it to transformers.
        trust_remote_code: whether code in the folder may run.

    Raises:
        ConfigError: the folder holds no such model, or a damaged one.
    """
    problems = problems_of_model(folder)
    if problems:
        raise ConfigError(f"cannot load {folder}", problems)
    chosen = {} if attention is None else {"attn_implementation": attention}
    auto: Any = AutoModelForCausalLM
    try:
        with no_progress_bars():
            model, said = auto.from_pretrained(
                str(folder),
                dtype=dtype or "auto",
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=trust_remote_code,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported below, in our own words
                **chosen,
            )
    except Exception as error:
        raise ConfigError(f"the model in {folder} cannot be loaded: {error}") from error
    _require_complete(folder, said)
    _require_finite(folder, model)
    for tensor in (*model.parameters(), *model.buffers()):
        # Otherwise memory mirrors the file, and the next training round that writes there changes our weights.
        tensor.data = tensor.data.clone()
    loaded: PreTrainedModel = model.eval().requires_grad_(requires_grad=False)
    return loaded


def differences(serving: PretrainedConfig, new: PretrainedConfig) -> list[str]:
    """What differs between two configs, such as ``hidden_size: 32 here, 64 there``, where it matters."""
    mine, theirs = serving.to_dict(), new.to_dict()
    return [
        f"{name}: {mine.get(name)!r} here, {theirs.get(name)!r} there"
        for name in sorted(mine.keys() | theirs.keys())
        if name not in _IMMATERIAL and mine.get(name) != theirs.get(name)
    ]


@torch.no_grad()
def copy_weights(source: PreTrainedModel, target: PreTrainedModel) -> None:
    """Overwrite the target's weights in place; adapters on top of them stay.

    Raises:
        ConfigError: the two do not have the same tensors. Nothing was changed then.
    """
    new, old = dict(_base_tensors(source)), dict(_base_tensors(target))
    problems = [
        f"{name}: {_shape(old.get(name))} here, {_shape(new.get(name))} there"
        for name in sorted(new.keys() | old.keys())
        if _shape(old.get(name)) != _shape(new.get(name))
    ]
    if problems:
        raise ConfigError("the weights are of another shape", problems)
    for name, tensor in old.items():
        tensor.copy_(new[name])


def _base_tensors(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """The model's own tensors, under the names they have without adapters."""
    for name, tensor in model.state_dict().items():
        if ".lora_" not in name:
            yield _WRAPPED.sub("", name), tensor


def _shape(tensor: Tensor | None) -> str:
    return "absent" if tensor is None else "×".join(map(str, tensor.shape))


def _require_complete(folder: Path, said: dict[str, Any]) -> None:
    problems = [f"{key} is not in the files" for key in sorted(said["missing_keys"])]
    problems += [f"{key} is of another shape" for key in sorted(map(str, said["mismatched_keys"]))]
    if problems:  # transformers would fill them with random numbers
        raise ConfigError(f"the weights in {folder} are incomplete", problems)
    if said["unexpected_keys"]:
        _log.warning("%d tensors in %s belong to no part of the model", len(said["unexpected_keys"]), folder)


def _require_finite(folder: Path, model: PreTrainedModel) -> None:
    problems = [
        f"{name} has values that are not finite"
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point() and not torch.isfinite(tensor).all()
    ]
    if problems:
        raise ConfigError(f"the weights in {folder} are damaged", problems)


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Keep transformers from drawing on standard error while it reads or writes weights."""
    bars: Any = transformers_logging
    were_on = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if were_on:
            bars.enable_progress_bar()
