from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from _tiny_llama import tiny_llama as build_tiny_llama
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from leanebm.serve import HfConfig
from leanebm.serve.backends.hf._language_model import LanguageModel

WIDTH, LAYERS, RANK = 32, 2, 4

WriteAdapter = Callable[..., Path]


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llama(tmp_path_factory.mktemp("model") / "tiny", hidden=WIDTH, layers=LAYERS)


@pytest.fixture(scope="session")
def other_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with other weights, as a training round would leave it."""
    return build_tiny_llama(tmp_path_factory.mktemp("model") / "other", hidden=WIDTH, layers=LAYERS, seed=1)


@pytest.fixture
def model(tiny_llama: Path) -> LanguageModel:
    return LanguageModel.load(HfConfig(model=str(tiny_llama)))


class Oracle:
    """The same weights run by transformers alone: one text at a time, no padding, no cache, no adapters' code."""

    def __init__(self, folder: Path) -> None:
        auto: Any = AutoModelForCausalLM
        self.model = auto.from_pretrained(str(folder)).eval()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))

    @torch.no_grad()
    def logits(self, ids: Sequence[int]) -> Tensor:
        """``[T, V]``."""
        logits: Tensor = self.model(torch.tensor([list(ids)])).logits[0]
        return logits

    @torch.no_grad()
    def embedding(self, ids: Sequence[int]) -> list[float]:
        hidden: Tensor = self.model.model(torch.tensor([list(ids)])).last_hidden_state[0]
        mean: list[float] = hidden.mean(dim=0).tolist()
        return mean

    def log_probs(self, prompt: Sequence[int], completion: Sequence[int], temperature: float = 1.0) -> list[float]:
        scaled = torch.log_softmax(self.logits([*prompt, *completion]) / temperature, dim=-1)
        return [float(scaled[len(prompt) - 1 + i, token]) for i, token in enumerate(completion)]

    @torch.no_grad()
    def merge(self, adapter: Path) -> None:
        """Add an adapter's own product to the weights, by the formula."""
        settings = json.loads((adapter / "adapter_config.json").read_text())
        tensors = read_tensors(adapter)
        scale = settings["lora_alpha"] / (settings["r"] ** 0.5 if settings["use_rslora"] else settings["r"])
        for layer, module in enumerate(self.model.model.layers):
            for name in settings["target_modules"]:
                key = f"base_model.model.model.layers.{layer}.self_attn.{name}.lora_"
                product = tensors[f"{key}B.weight"] @ tensors[f"{key}A.weight"]
                getattr(module.self_attn, name).weight += scale * product


def read_tensors(adapter: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(adapter / "adapter_model.safetensors")


@pytest.fixture
def oracle(tiny_llama: Path) -> Oracle:
    return Oracle(tiny_llama)


@pytest.fixture
def write_adapter(tmp_path: Path) -> WriteAdapter:
    """Writes a LoRA adapter for the tiny model by hand, as peft's own files look."""

    def write(name: str = "adapter", *, seed: int = 0, width: int = WIDTH, **settings: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        generator = torch.Generator().manual_seed(seed)
        config = {
            "peft_type": "LORA",
            "r": RANK,
            "lora_alpha": 8,
            "use_rslora": False,
            "target_modules": ["q_proj", "o_proj"],
            **settings,
        }
        tensors = {}
        for layer in range(LAYERS):
            for module in ("q_proj", "o_proj"):
                key = f"base_model.model.model.layers.{layer}.self_attn.{module}.lora_"
                tensors[f"{key}A.weight"] = torch.randn(RANK, width, generator=generator)
                tensors[f"{key}B.weight"] = 0.3 * torch.randn(width, RANK, generator=generator)
        (folder / "adapter_config.json").write_text(json.dumps(config))
        save_file(tensors, folder / "adapter_model.safetensors")
        return folder

    return write


@pytest.fixture
def small_gpu() -> Callable[[int], AbstractContextManager[None]]:
    """``small_gpu(64)`` leaves 64 MiB of the GPU to this process; what does not fit fails as on a full one."""

    @contextmanager
    def with_room(mebibytes: int) -> Iterator[None]:
        gc.collect()
        torch.cuda.empty_cache()
        room = torch.cuda.memory_allocated() + mebibytes * 2**20
        torch.cuda.set_per_process_memory_fraction(room / torch.cuda.get_device_properties(0).total_memory)
        yield
        torch.cuda.set_per_process_memory_fraction(1.0)

    return with_room


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """A model this small is slower with several, and sums come out the same on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
