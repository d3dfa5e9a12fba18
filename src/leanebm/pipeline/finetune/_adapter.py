"""A model with one trainable adapter on it, and the adapter's folder."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast, final

import torch
from peft import (
    LoraConfig,
    LoraModel,
    get_peft_model_state_dict,
    prepare_model_for_kbit_training,
    set_peft_model_state_dict,
)
from safetensors.torch import load_file, save
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from leanebm._fields import torch_device
from leanebm.errors import ConfigError
from leanebm.pipeline.finetune.config import FinetuneConfig
from leanebm.serve.backends.hf.adapter_files import read_adapter
from leanebm.serve.backends.hf.checkpoint import load_checkpoint
from leanebm.serve.backends.hf.folder import (
    POLICY_NOTE,
    base_hash,
    problems_of_adapter,
    problems_of_files,
    prompt_format_of,
    require_base,
)
from leanebm.storage import write_atomically

_RANK: Final = 16
_NAME: Final = "default"
"""Of the one adapter; it is in no file."""
_PREFIX: Final = "base_model.model."
"""Of a tensor's name in a file: what peft's own wrappers would put there."""


def check_files(config: FinetuneConfig) -> None:
    """See that all that is needed is there, before anything large is read.

    Raises:
        ConfigError: with everything that is wrong.
    """
    problems = problems_of_files(Path(config.model), config.attention)
    if config.continue_from is not None:
        problems += [f"{problem} @ $.continue_from" for problem in problems_of_adapter(config.continue_from)]
    before = Path(config.model) if config.continue_from is None else config.continue_from
    if (prompt_format_of(before) or config.prompt_format) != config.prompt_format:
        problems.append(f"{before} was trained on states shown as {prompt_format_of(before)} @ $.prompt_format")
    if config.qlora:
        problems += [f"{problem} @ $.qlora" for problem in _problems_of_qlora(config)]
    if problems:
        raise ConfigError(f"cannot fine-tune {config.model}", problems)
    if config.continue_from is not None:
        require_base(config.continue_from, Path(config.model), base_hash, remedy=" @ $.continue_from")


def device_of(config: FinetuneConfig) -> torch.device:
    """Where to compute.

    Raises:
        ConfigError: torch sees no such device.
    """
    automatic = "cuda" if torch.cuda.is_available() else "cpu"
    return torch_device(automatic if config.device == "auto" else config.device)


def _problems_of_qlora(config: FinetuneConfig) -> list[str]:
    problems = []
    if device_of(config).type != "cuda":
        problems.append(
            "weights in 4 bits need a CUDA device, and torch sees none: leave it out, or use another machine"
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        problems.append("weights in 4 bits need a package: python -m pip install bitsandbytes")
    return problems


def with_adapter(config: FinetuneConfig) -> LoraModel:
    """The model on its device, frozen, with an adapter on it that alone can learn.

    Raises:
        ConfigError: the model or the adapter cannot be read, does not fit, or there is nothing to add to.
    """
    model = load_base(config)  # any: transformers' methods are not typed
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if config.continue_from is not None:
        return on_model(model, config.continue_from)
    targets = list(config.target_modules or _linear_layers(model))
    rank = config.rank or _RANK
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=rank,
        lora_alpha=config.alpha or 2 * rank,
        lora_dropout=config.dropout,
        target_modules=targets,
    )
    try:
        return _put_on(model, lora)
    except ValueError as error:
        raise ConfigError(
            f"no adapter can be put on {config.model}: {error}",
            ["name other layers, or none for all linear ones @ $.target_modules"],
        ) from error


def on_model(model: PreTrainedModel, folder: Path) -> LoraModel:
    """``model`` with an adapter from a folder on it, which can learn.

    Raises:
        ConfigError: the adapter cannot be read, or does not fit.
    """
    lora, weights = read_adapter(folder)
    lora.inference_mode = False
    try:
        tuner = _put_on(model, lora)
        unmatched = set_weights(tuner, weights)
    except Exception as error:
        raise ConfigError(f"the adapter in {folder} does not fit the model: {error}") from error
    problems = [f"{key} is not in the file" for key in unmatched.missing_keys if ".lora_" in key]
    problems += [f"{key} belongs to no layer" for key in unmatched.unexpected_keys]
    if problems:
        raise ConfigError(f"the adapter in {folder} does not fit the model", problems)
    return tuner


def _put_on(model: PreTrainedModel, lora: LoraConfig) -> LoraModel:
    tuner = LoraModel(model, lora, adapter_name=_NAME)
    for parameter in trainable(tuner).values():
        parameter.data = parameter.data.float()  # small steps would be lost in half precision
    return tuner


def load_base(config: FinetuneConfig) -> Any:
    """The model on its device, frozen.

    Raises:
        ConfigError: it cannot be read, or does not fit there.
    """
    device = device_of(config)
    if not config.qlora:
        automatic = torch.float32 if device.type == "cpu" else None
        dtype = automatic if config.dtype == "auto" else getattr(torch, config.dtype)
        model = load_checkpoint(
            Path(config.model), dtype=dtype, attention=config.attention, trust_remote_code=config.trust_remote_code
        )
        try:
            return model.to(device)
        except torch.OutOfMemoryError as error:
            raise ConfigError(f"the model in {config.model} does not fit on {device}: {error}") from error
    return _load_in_four_bits(config, device)


def _load_in_four_bits(config: FinetuneConfig, device: torch.device) -> Any:
    auto, quantisation, prepare = cast(
        "Any", (AutoModelForCausalLM, BitsAndBytesConfig, prepare_model_for_kbit_training)
    )
    quantised = quantisation(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    chosen = {} if config.attention is None else {"attn_implementation": config.attention}
    model = auto.from_pretrained(
        config.model,
        quantization_config=quantised,
        device_map={"": device},
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=config.trust_remote_code,
        **chosen,
    )
    return prepare(model, config.gradient_checkpointing)


def _linear_layers(model: Any) -> list[str]:
    """The last parts of the names of all linear layers but the one that makes the logits, in alphabetical order."""
    last = model.get_output_embeddings()
    found = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not last
    }
    if not found:
        raise ConfigError(
            f"{model.config.model_type} has no linear layers as torch knows them, so it is not known where to add:",
            ["name its layers, such as c_attn @ $.target_modules"],
        )
    return sorted(found)


# --- its folder -----------------------------------------------------------------------------------


@final
class AdaptedModel:
    """Learns in its adapter alone; on the disk it is the adapter's folder."""

    folder_name: Final = "adapter"

    def __init__(self, config: FinetuneConfig) -> None:
        self._config = config
        self._tuner = with_adapter(config)
        self.model: Any = self._tuner.model

    @property
    def trainable(self) -> dict[str, Tensor]:
        """What learns, by its name in the model."""
        return trainable(self._tuner)

    def write_settings(self, folder: Path, base: str) -> None:
        """Write all of the folder but its weights: they stay the same through a training."""
        lora = self._tuner.peft_config[_NAME].to_dict()
        lora |= {"inference_mode": True, "base_model_name_or_path": self._config.model, "init_lora_weights": True}
        write_atomically(folder / "adapter_config.json", _json(lora))
        write_note(folder, prompt_format=self._config.prompt_format, base=base)

    def write_weights(self, folder: Path) -> None:
        """Put the weights in the place of those before, atomically."""
        model = self._tuner.model
        state: dict[str, Tensor] = get_peft_model_state_dict(model, adapter_name=_NAME, save_embedding_layers=False)
        tensors = {f"{_PREFIX}{name}": tensor.detach().cpu().contiguous() for name, tensor in sorted(state.items())}
        write_atomically(folder / "adapter_model.safetensors", save(tensors, {"format": "pt"}))

    def read_weights(self, folder: Path) -> None:
        """Put the weights that were written in the place of the last ones."""
        set_weights(self._tuner, load_file(folder / "adapter_model.safetensors"))


def trainable(model: LoraModel) -> dict[str, Tensor]:
    """What learns, by its name in the model."""
    return {name: parameter for name, parameter in model.model.named_parameters() if parameter.requires_grad}


def set_weights(model: LoraModel, weights: Mapping[str, Tensor]) -> Any:
    """Put weights in the place of an adapter's own; which of the two had no counterpart."""
    return set_peft_model_state_dict(model.model, dict(weights), adapter_name=_NAME)


def write_note(folder: Path, *, prompt_format: str, base: str) -> None:
    """Write how states were shown in training, where a server and a later training find it."""
    said = {"prompt_format": prompt_format, "base_hash": base, "leanebm_version": version("leanebm")}
    write_atomically(folder / POLICY_NOTE, _json(said))


def _json(values: Mapping[str, Any]) -> bytes:
    def plain(value: object) -> object:
        return sorted(value) if isinstance(value, set) else str(value)

    return json.dumps(values, default=plain, ensure_ascii=False, indent=2, sort_keys=True).encode() + b"\n"
