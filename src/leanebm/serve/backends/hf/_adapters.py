"""LoRA adapters on a model that serves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, final

from peft import LoraConfig, LoraModel, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from transformers import PreTrainedModel

from leanebm._shown import shown_json
from leanebm.errors import ConfigError
from leanebm.serve.backends.hf._folder import adapter_hash, problems_of_adapter

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


@final
class Adapters:
    """The adapters that are loaded, of which one, or none, is in force. Belongs to the model's thread.

    peft does the arithmetic: plain LoRA, rsLoRA (scale :math:`α/√r`), ranks per layer, and DoRA alike.
    Adapters are never merged, and none may bring tensors or settings that would change the model, so
    that the model stays exactly what it was.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._tuner: Any = None
        self._versions: dict[str, str] = {}
        self._active: str | None = None

    @property
    def versions(self) -> Mapping[str, str]:
        """Name of each loaded adapter, with a hash of its weights."""
        return self._versions

    def load(self, name: str, folder: Path) -> None:
        """Read an adapter; the others, and the one in force, stay as they are.

        Raises:
            ConfigError: there is one of that name already, or the folder holds none for this model.
        """
        if name in self._versions:
            raise ConfigError(f"the LoRA adapter {name!r} is already loaded: unload it, or choose another name")
        config, weights = _read(folder)
        try:
            self._inject(name, config)
            unmatched: Any = set_peft_model_state_dict(self._model, weights, adapter_name=name)
        except Exception as error:
            self._remove(name)
            raise ConfigError(f"the adapter in {folder} does not fit the model: {error}") from error
        absent = [key for key in unmatched.missing_keys if ".lora_" in key and f".{name}." in key]
        problems = [f"{key} is not in the file" for key in absent]
        problems += [f"{key} belongs to no layer" for key in unmatched.unexpected_keys]
        if problems:
            self._remove(name)
            raise ConfigError(f"the adapter in {folder} does not fit the model", problems)
        self._versions[name] = adapter_hash(folder)
        self._apply(self._active)

    def unload(self, name: str) -> None:
        """Forget an adapter.

        Raises:
            ConfigError: there is none of that name.
        """
        if name not in self._versions:
            raise ConfigError(f"the LoRA adapter {name!r} is not loaded")
        del self._versions[name]
        self._remove(name)

    def use(self, name: str | None) -> None:
        """Put an adapter in force, or with ``None`` the base model alone.

        Raises:
            ConfigError: there is none of that name.
        """
        if name is not None and name not in self._versions:
            raise ConfigError(f"the LoRA adapter {name!r} is not loaded")
        if name != self._active:
            self._apply(name)

    def _inject(self, name: str, config: LoraConfig) -> None:
        if self._tuner is None:
            self._tuner = LoraModel(self._model, config, adapter_name=name)
        else:
            self._tuner.peft_config[name] = config
            self._tuner.inject_adapter(self._model, name)
        self._model.train(mode=False).requires_grad_(requires_grad=False)

    def _remove(self, name: str) -> None:
        self._apply(self._active if self._active in self._versions else None)
        for layer in self._adapted():
            layer.delete_adapter(name)
        if self._tuner is not None:
            self._tuner.peft_config.pop(name, None)

    def _apply(self, name: str | None) -> None:
        active = [] if name is None else [name]
        for layer in self._adapted():
            layer.set_adapter(active)
        if self._tuner is not None:
            self._tuner.active_adapter = active
        self._active = name

    def _adapted(self) -> list[Any]:
        """The layers that some adapter was ever put on."""
        return [layer for layer in self._model.modules() if isinstance(layer, LoraLayer)]


def _read(folder: Path) -> tuple[LoraConfig, dict[str, Any]]:
    """An adapter's settings and tensors, all of which belong to LoRA layers."""
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
