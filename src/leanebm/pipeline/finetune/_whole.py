"""A model all of whose weights learn, and the folder of what it becomes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, final

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from leanebm.pipeline.finetune._adapter import load_base, write_note
from leanebm.pipeline.finetune.config import FinetuneConfig
from leanebm.storage import write_atomically

BESIDE: Final = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "chat_template*",
    "*.py",
)
"""What belongs to a model and is not its config or its weights."""

_WEIGHTS: Final = "model.safetensors"


@final
class WholeModel:
    """Learns as a whole; on the disk it is a model's folder, in half the precision that it learns in."""

    folder_name: Final = "model"

    def __init__(self, config: FinetuneConfig) -> None:
        self._config = config
        self.model: Any = load_base(config)
        self.model.requires_grad_(requires_grad=True)
        for parameter in self.model.parameters():
            parameter.data = parameter.data.float()  # small steps would be lost in half precision

    @property
    def trainable(self) -> dict[str, Tensor]:
        """What learns, by its name in the model; what the model has twice, once."""
        return dict(self.model.named_parameters())

    def write_settings(self, folder: Path, base: str) -> None:
        """Write all of the folder but its weights: they stay the same through a training."""
        source = Path(self._config.model)
        folder.mkdir(parents=True, exist_ok=True)
        said = json.loads((source / "config.json").read_text("utf-8"))
        said.pop("torch_dtype", None)
        write_atomically(folder / "config.json", json.dumps(said | {"dtype": "float16"}, indent=2).encode() + b"\n")
        for pattern in (*BESIDE, "generation_config.json"):
            for file in source.glob(pattern):
                shutil.copyfile(file, folder / file.name)
        write_note(folder, prompt_format=self._config.prompt_format, base=base)

    def write_weights(self, folder: Path) -> None:
        """Put the weights in the place of those before, atomically."""
        tensors = {
            name: tensor.detach().to("cpu", torch.float16).contiguous() for name, tensor in self.trainable.items()
        }
        write_atomically(folder / _WEIGHTS, save(tensors, {"format": "pt"}))

    def read_weights(self, folder: Path) -> None:
        """Put the weights that were written in the place of the last ones."""
        self.copy(load_file(folder / _WEIGHTS))

    @torch.no_grad()
    def copy(self, weights: Mapping[str, Tensor]) -> None:
        """Overwrite what learns."""
        for name, parameter in self.trainable.items():
            parameter.copy_(weights[name])
