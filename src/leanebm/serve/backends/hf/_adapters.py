"""LoRA adapters on a model that serves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from peft import LoraConfig, LoraModel, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel

from leanebm.errors import ConfigError
from leanebm.serve.backends.hf.adapter_files import read_adapter
from leanebm.serve.backends.hf.folder import adapter_hash, prompt_format_of


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
        self._formats: dict[str, str] = {}
        self._active: str | None = None

    @property
    def versions(self) -> Mapping[str, str]:
        """Name of each loaded adapter, with a hash of its weights."""
        return self._versions

    @property
    def prompt_formats(self) -> Mapping[str, str]:
        """How states were shown to those adapters in training that say so."""
        return self._formats

    def load(self, name: str, folder: Path) -> None:
        """Read an adapter; the others, and the one in force, stay as they are.

        Raises:
            ConfigError: there is one of that name already, or the folder holds none for this model.
        """
        if name in self._versions:
            raise ConfigError(f"the LoRA adapter {name!r} is already loaded: unload it, or choose another name")
        config, weights = read_adapter(folder)
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
        if (shown_as := prompt_format_of(folder)) is not None:
            self._formats[name] = shown_as
        self._apply(self._active)

    def unload(self, name: str) -> None:
        """Forget an adapter.

        Raises:
            ConfigError: there is none of that name.
        """
        if name not in self._versions:
            raise ConfigError(f"the LoRA adapter {name!r} is not loaded")
        del self._versions[name]
        self._formats.pop(name, None)
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
