"""A LoRA adapter's folder: its settings and tensors, and nothing that would change the model beneath."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from peft import LoraConfig
from safetensors.torch import load_file

from leanebm._shown import shown_json
from leanebm.errors import ConfigError
from leanebm.serve.backends.hf.folder import problems_of_adapter

_SERVED: Final = frozenset(
    {
        "alpha_pattern", "auto_mapping", "base_model_name_or_path", "eva_config", "exclude_modules", "fan_in_fan_out",
        "inference_mode", "layers_pattern", "layers_to_transform", "lora_alpha", "lora_bias", "lora_dropout",
        "peft_type", "peft_version", "qalora_group_size", "r", "rank_pattern", "revision", "runtime_config",
        "target_modules", "target_parameters", "task_type", "use_dora", "use_rslora",
    }
)  # fmt: skip
"""Settings that may have any value: they shape LoRA layers, or do not matter here. All others, those included that a
later peft may invent, could change the model itself or how it is run, and must have the value that does nothing."""

_HARMLESS_STARTS: Final = (True, False, "gaussian", "orthogonal", "eva")
"""Values that LoRA tensors may have started from. The others take a part away from the weights of the model."""

_LORA_TENSOR: Final = re.compile(r"\.lora_(A|B|embedding_A|embedding_B|magnitude_vector)(\.|$)")


def read_adapter(folder: Path) -> tuple[LoraConfig, dict[str, Any]]:
    """An adapter's settings and tensors, all of which belong to LoRA layers.

    Raises:
        ConfigError: there is no adapter, it cannot be read, or it is more than LoRA layers.
    """
    problems = problems_of_adapter(folder)
    if problems:
        raise ConfigError(f"cannot load the adapter {folder}", problems)
    try:
        settings = dict(json.loads((folder / "adapter_config.json").read_text("utf-8")))
        kind = settings["peft_type"]
        weights = load_file(folder / "adapter_model.safetensors")
    except Exception as error:
        raise ConfigError(f"the adapter in {folder} cannot be read: {error}") from error
    if kind != "LORA":
        raise ConfigError(f"the adapter in {folder} is of kind {kind}; only LoRA can be served")
    problems = [*_problems_of_settings(settings)]
    problems += [f"{key} is a tensor of the model itself" for key in weights if not _LORA_TENSOR.search(key)]
    if problems:
        remedy = "merge it into its model and serve the result"
        raise ConfigError(f"the adapter in {folder} is more than LoRA layers: {remedy}", problems)
    try:
        known = {field.name: settings[field.name] for field in fields(LoraConfig) if field.name in settings}
        known.pop("runtime_config", None)
        config = LoraConfig(**{**known, "init_lora_weights": False, "inference_mode": True})
    except Exception as error:
        raise ConfigError(f"the settings of the adapter in {folder} cannot be read: {error}") from error
    return config, weights


def _problems_of_settings(settings: Mapping[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        if name == "init_lora_weights":
            is_served = value in _HARMLESS_STARTS
        else:
            is_served = name in _SERVED or value in (None, False, [], {}) or value == getattr(LoraConfig, name, None)
        if not is_served:
            yield f"{name} is {shown_json(value)}"
