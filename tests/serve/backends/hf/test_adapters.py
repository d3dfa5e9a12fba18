from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from torch import Tensor

from leanebm.errors import ConfigError
from leanebm.serve import HfConfig
from leanebm.serve.backends.hf._language_model import KeyValues, LanguageModel
from leanebm.serve.backends.hf.checkpoint import _base_tensors

PROMPTS = [[0, 5, 9], [0, 200, 3, 17, 44]]


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"lora_alpha": 3}])
def test_an_adapter_adds_its_product_to_the_weights(
    model: LanguageModel, oracle: Any, write_adapter: Any, settings: dict[str, Any]
) -> None:
    adapter = write_adapter(**settings)
    model.adapters.load("a", adapter)
    plain = [oracle.embedding(row) for row in PROMPTS]
    oracle.merge(adapter)
    for row, vector, base, before in zip(
        PROMPTS, model.embeddings(PROMPTS, adapter="a"), model.embeddings(PROMPTS), plain, strict=True
    ):
        assert list(vector or ()) == pytest.approx(oracle.embedding(row), abs=1e-5)
        assert list(base or ()) == pytest.approx(before, abs=1e-5)
        assert max(abs(x - y) for x, y in zip(vector or (), before, strict=True)) > 0.01
    logits = model.logits(PROMPTS, KeyValues(), adapter="a")
    for row, got in zip(PROMPTS, logits, strict=True):
        torch.testing.assert_close(got.cpu(), oracle.logits(row)[-1], atol=2e-5, rtol=1e-4)


def test_several_adapters_do_not_notice_one_another(model: LanguageModel, write_adapter: Any) -> None:
    folders = {"a": write_adapter("a", seed=1), "b": write_adapter("b", seed=2, use_rslora=True)}
    alone: dict[str | None, object] = {}
    for name, folder in folders.items():
        model.adapters.load(name, folder)
        alone[name] = model.embeddings(PROMPTS, adapter=name)
        model.adapters.unload(name)
    alone[None] = model.embeddings(PROMPTS)
    for name, folder in folders.items():
        model.adapters.load(name, folder)
    turns: tuple[str | None, ...] = ("b", None, "a", "b", "a", None)
    for turn in turns:
        assert model.embeddings(PROMPTS, adapter=turn) == alone[turn]
    model.adapters.unload("a")
    assert model.embeddings(PROMPTS, adapter="b") == alone["b"]
    assert model.embeddings(PROMPTS) == alone[None]


def test_a_name_is_taken_until_it_is_unloaded(model: LanguageModel, write_adapter: Any) -> None:
    first, second = write_adapter("first", seed=1), write_adapter("second", seed=2)
    model.adapters.load("a", first)
    version = model.adapters.versions["a"]
    with pytest.raises(ConfigError, match="already loaded"):
        model.adapters.load("a", second)
    model.adapters.unload("a")
    assert not model.adapters.versions
    model.adapters.load("a", second)
    assert model.adapters.versions["a"] != version


def test_what_is_not_loaded_cannot_be_used_or_unloaded(model: LanguageModel) -> None:
    for use in (model.adapters.unload, model.adapters.use):
        with pytest.raises(ConfigError, match="'a'"):
            use("a")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"target_modules": ["nope"]}, "nope"),
        ({"target_modules": ["q_proj"]}, "belongs to no layer"),
        ({"target_modules": ["q_proj", "o_proj", "k_proj"]}, "not in the file"),
        ({"r": 8}, "size mismatch"),
        ({"width": 16}, "size mismatch"),
        ({"modules_to_save": ["lm_head"]}, r"modules_to_save is \["),
        ({"trainable_token_indices": [1]}, r"trainable_token_indices is \["),
        ({"alora_invocation_tokens": [5, 9]}, r"alora_invocation_tokens is \["),
        ({"megatron_config": {"hidden_size": 32}}, "megatron_config is"),
        ({"megatron_core": "antigravity"}, 'megatron_core is "antigravity"'),
        ({"layer_replication": [[0, 2], [0, 2]]}, "layer_replication is"),
        ({"init_lora_weights": "pissa"}, 'init_lora_weights is "pissa"'),
        ({"init_lora_weights": "olora"}, 'init_lora_weights is "olora"'),
        ({"bias": "lora_only"}, 'bias is "lora_only"'),
        ({"use_what_peft_will_invent": True}, "use_what_peft_will_invent is true"),
        ({"peft_type": "IA3", "target_modules": ["q_proj"]}, "only LoRA"),
        ({"r": "four"}, "does not fit|cannot be read"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_and_leaves_no_trace(
    model: LanguageModel, write_adapter: Any, settings: dict[str, Any], said: str
) -> None:
    good = write_adapter("good", seed=1)
    before = model.embeddings(PROMPTS)
    for bad in (write_adapter("bad", **settings), write_adapter("bad2", **settings)):
        with pytest.raises(ConfigError, match=said):
            model.adapters.load("a", bad)
        assert not model.adapters.versions
        assert model.embeddings(PROMPTS) == before
    model.adapters.load("a", good)
    assert model.embeddings(PROMPTS, adapter="a") != before
    with pytest.raises(ConfigError, match=said):
        model.adapters.load("b", bad)
    assert model.embeddings(PROMPTS) == before


def test_a_pickle_is_never_opened(model: LanguageModel, write_adapter: Any) -> None:
    folder: Path = write_adapter()
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(ConfigError, match=r"no adapter_model\.safetensors"):
        model.adapters.load("a", folder)


def test_a_damaged_file_is_refused(model: LanguageModel, write_adapter: Any) -> None:
    folder: Path = write_adapter()
    (folder / "adapter_model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ConfigError, match="cannot be read"):
        model.adapters.load("a", folder)
    (folder / "adapter_config.json").write_text(json.dumps([]))
    with pytest.raises(ConfigError, match="cannot be read"):
        model.adapters.load("a", folder)


# --- the model stays what it was ---

ANY: Any = transformers  # whose configs' types know no such settings
SIZES = {"vocab_size": 369, "num_hidden_layers": 2, "num_attention_heads": 4, "initializer_range": 0.3}
SPECIAL = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None}
GATED = {"hidden_size": 32, "intermediate_size": 64, "num_key_value_heads": 2}
MODELS: dict[str, Any] = {
    "llama": ANY.LlamaConfig(**SIZES, **SPECIAL, **GATED, attention_bias=True, tie_word_embeddings=False),
    "llama, tied": ANY.LlamaConfig(**SIZES, **SPECIAL, **GATED, attention_bias=True, tie_word_embeddings=True),
    "gpt2": ANY.GPT2Config(**SIZES, **SPECIAL, hidden_size=32, tie_word_embeddings=False),
    "gpt2, tied": ANY.GPT2Config(**SIZES, **SPECIAL, hidden_size=32, tie_word_embeddings=True),
}
EXPERTS = ANY.MixtralConfig(**SIZES, **SPECIAL, **GATED, num_local_experts=2)
LAYERS: dict[str, dict[str, Any]] = {
    "llama": {"target_modules": ["q_proj", "down_proj"]},
    "gpt2": {"target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True},
    "mixtral": {
        "target_modules": ["q_proj"],
        "target_parameters": ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"],
    },
}
EMBEDDINGS = {"llama": ["embed_tokens"], "gpt2": ["wte"]}


@pytest.fixture
def read(tmp_path: Path, tiny_llama: Path) -> Callable[[Any], LanguageModel]:
    """The model of a config, with random weights and biases, as it is served."""

    def of(config: Any) -> LanguageModel:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            made = ANY.AutoModelForCausalLM.from_config(config)
            for name, parameter in made.named_parameters():
                if name.endswith("bias"):
                    torch.nn.init.normal_(parameter, std=0.1)
        made.save_pretrained(tmp_path / "model")
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(tiny_llama / name, tmp_path / "model" / name)
        return LanguageModel.load(HfConfig(model=str(tmp_path / "model")))

    return of


@pytest.fixture
def train(tmp_path: Path) -> Iterator[Callable[..., tuple[Any, Path]]]:
    """peft's own model with an adapter, of which every tensor that training would move was moved; and its folder."""

    def trained(model: LanguageModel, *, save_embeddings: bool = False, **settings: Any) -> tuple[Any, Path]:
        base = ANY.AutoModelForCausalLM.from_pretrained(model.path)
        settings = {**LAYERS[base.config.model_type], **settings}
        adapted: Any = peft.get_peft_model(base, peft.LoraConfig(r=4, lora_alpha=8, **settings))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            for parameter in adapted.parameters():
                if parameter.requires_grad:
                    parameter.data += 0.1 * torch.randn_like(parameter)
        adapted.save_pretrained(str(tmp_path / "adapter"), save_embedding_layers=save_embeddings)
        return adapted.eval(), tmp_path / "adapter"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft has an opinion on most of these
        yield trained


def tensors(model: LanguageModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in _base_tensors(model._model)}


def answers(model: LanguageModel, adapter: str | None = None) -> tuple[list[float], object]:
    logits = model.logits(PROMPTS, KeyValues(), adapter=adapter)
    return logits.flatten().tolist(), model.embeddings(PROMPTS, adapter=adapter)


def assert_same(before: dict[str, Tensor], after: dict[str, Tensor]) -> None:
    assert before.keys() == after.keys()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []


def assert_that_it_comes_and_goes(model: LanguageModel, train: Any, settings: dict[str, Any]) -> None:
    adapted, folder = train(model, **settings)
    before, said = tensors(model), answers(model)
    model.adapters.load("a", folder)
    with_adapter = model.logits(PROMPTS, KeyValues(), adapter="a")
    for row, got in zip(PROMPTS, with_adapter, strict=True):
        with torch.no_grad():
            torch.testing.assert_close(got, adapted(torch.tensor([row])).logits[0, -1], atol=2e-4, rtol=1e-4)
    assert answers(model, "a")[1] != said[1]
    assert_same(before, tensors(model))
    assert answers(model) == said
    model.adapters.unload("a")
    assert_same(before, tensors(model))
    assert answers(model) == said


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_dora": True},
        {"lora_bias": True},
        {"use_rslora": True, "rank_pattern": {"q_proj": 2}},
        {"init_lora_weights": "orthogonal"},
        {"embeddings": True},
    ],
    ids=["plain", "dora", "with biases of its own", "rslora", "orthogonal", "on embeddings"],
)
@pytest.mark.parametrize("config", MODELS.values(), ids=MODELS)
def test_a_model_is_the_same_bits_after_an_adapter_was_loaded_used_and_unloaded(
    read: Any, train: Any, config: Any, settings: dict[str, Any]
) -> None:
    if settings.get("embeddings"):
        kind = config.model_type
        settings = {"target_modules": [*LAYERS[kind]["target_modules"], *EMBEDDINGS[kind]]}
    assert_that_it_comes_and_goes(read(config), train, settings)


def test_so_is_one_whose_experts_were_adapted(read: Any, train: Any) -> None:
    assert_that_it_comes_and_goes(read(EXPERTS), train, {})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"bias": "all"}, 'bias is "all"'),
        ({"bias": "lora_only"}, 'bias is "lora_only"'),
        ({"save_embeddings": True}, r"(embed_tokens|wte)\.weight is a tensor of the model itself"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save is"),
    ],
)
@pytest.mark.parametrize("config", MODELS.values(), ids=MODELS)
def test_an_adapter_that_holds_tensors_of_the_model_is_refused_and_changes_no_bit(
    read: Any, train: Any, config: Any, settings: dict[str, Any], said: str
) -> None:
    model = read(config)
    before, answered = tensors(model), answers(model)
    _, folder = train(model, **settings)
    with pytest.raises(ConfigError, match=said):
        model.adapters.load("a", folder)
    file = folder / "adapter_config.json"  # which may say nothing of what is beside it
    file.write_text(json.dumps({**json.loads(file.read_text()), "bias": "none", "modules_to_save": None}))
    with pytest.raises(ConfigError, match="is a tensor of the model itself"):
        model.adapters.load("a", folder)
    assert_same(before, tensors(model))
    assert answers(model) == answered


def test_new_weights_reach_layers_that_an_adapter_wraps_twice(tmp_path: Path, read: Any, train: Any) -> None:
    model = read(EXPERTS)
    _, folder = train(model)
    model.adapters.load("a", folder)
    other = ANY.AutoModelForCausalLM.from_pretrained(model.path)
    for parameter in other.parameters():
        parameter.data *= 1.1
    other.save_pretrained(tmp_path / "other")
    model.update(str(tmp_path / "other"), None)
    with torch.no_grad():
        expected = other.eval()(torch.tensor([PROMPTS[0]])).logits[0, -1]
    torch.testing.assert_close(model.logits(PROMPTS[:1], KeyValues())[0], expected, atol=2e-4, rtol=1e-4)


def test_an_adapters_version_changes_with_its_settings_too(model: LanguageModel, write_adapter: Any) -> None:
    variants: dict[str, dict[str, Any]] = {"a": {}, "b": {}, "c": {"lora_alpha": 9}, "d": {"use_rslora": True}}
    for name, settings in variants.items():
        model.adapters.load(name, write_adapter(name, seed=1, **settings))
    versions = model.adapters.versions
    assert versions["a"] == versions["b"]
    assert len(set(versions.values())) == 3
