from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from leanebm.errors import ConfigError
from leanebm.serve import HfConfig
from leanebm.serve.backends.hf.folder import POLICY_NOTE, adapter_hash, check_paths, model_hash, prompt_format_of


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    config = HfConfig(model=str(tmp_path), adapters={"a": str(tmp_path / "a"), "b": str(tmp_path / "b")})
    with pytest.raises(ConfigError) as caught:
        check_paths(config)
    assert [problem.rpartition(" @ ")[2] for problem in caught.value.problems] == ["model", "adapters.a", "adapters.b"]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_each_file_is_missed(tiny_llama: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "copy"))
    check_paths(HfConfig(model=str(folder)))
    (folder / name).unlink()
    with pytest.raises(ConfigError, match=name.replace(".", r"\.")):
        check_paths(HfConfig(model=str(folder)))


def test_shards_are_found_through_their_index(tiny_llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "copy"))
    whole = model_hash(folder, "float32")
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "model-1.safetensors", "y": "model-1.safetensors"}}))
    check_paths(HfConfig(model=str(folder)))
    assert model_hash(folder, "float32") == whole
    index.write_text(json.dumps({"weight_map": {"x": "model-1.safetensors", "y": "model-2.safetensors"}}))
    with pytest.raises(ConfigError, match=r"lacks model-2\.safetensors"):
        check_paths(HfConfig(model=str(folder)))
    index.write_text("[]")
    with pytest.raises(ConfigError, match="cannot be read"):
        check_paths(HfConfig(model=str(folder)))


def test_what_changes_no_answer_changes_no_version(tiny_llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "copy"))
    (folder / "README.md").write_text("new")
    (folder / "adapter_model.safetensors").write_bytes(b"not this model's")
    assert model_hash(folder, "float32") == model_hash(tiny_llama, "float32")


def test_whatever_changes_answers_changes_the_version(tiny_llama: Path, other_llama: Path, tmp_path: Path) -> None:
    versions = {model_hash(tiny_llama, "float32"), model_hash(tiny_llama, "bfloat16")}
    for number, (name, text) in enumerate(
        [
            ("config.json", "{}"),
            ("generation_config.json", '{"eos_token_id": 5}'),
            ("tokenizer.json", "{}"),
            ("tokenizer_config.json", "{}"),
            ("modeling_own.py", "pass"),
            ("modeling_own.py", "..."),
            ("model.safetensors", ""),
        ]
    ):
        folder = Path(shutil.copytree(tiny_llama, tmp_path / str(number)))
        (folder / name).write_text(text)
        versions.add(model_hash(folder, "float32"))
    for number, folder in enumerate((tiny_llama, other_llama)):  # two models in whose folders the same adapter lies
        copy = Path(shutil.copytree(folder, tmp_path / f"with adapter {number}"))
        (copy / "adapter_model.safetensors").write_bytes(b"the same")
        versions.add(model_hash(copy, "float32"))
    assert len(versions) == 10  # the first of the last two is the first of all


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_the_version_of_an_adapter_is_that_of_both_its_files(tmp_path: Path, write_adapter: Any, name: str) -> None:
    folder = write_adapter()
    before = adapter_hash(folder)
    assert adapter_hash(shutil.copytree(folder, tmp_path / "copy")) == before
    with (folder / name).open("ab") as file:
        file.write(b" ")
    assert adapter_hash(folder) != before


@pytest.mark.parametrize("attention", ["kernels-community/flash-attn2", "someone/their-kernel@main:forward"])
def test_attention_that_would_be_downloaded_is_refused_by_name(
    tiny_llama: Path, tmp_path: Path, attention: str
) -> None:
    said = re.escape(f"the attention {attention} would be downloaded")
    with pytest.raises(ConfigError, match=said):
        check_paths(HfConfig(model=str(tiny_llama), attention=attention))
    named: list[dict[str, Any]] = [
        {"attn_implementation": attention},
        {"_attn_implementation": attention},
        {"text_config": {"attn_implementation": {"": "sdpa", "decoder": attention}}},
    ]
    for number, settings in enumerate(named):
        folder = Path(shutil.copytree(tiny_llama, tmp_path / str(number)))
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **settings}))
        with pytest.raises(ConfigError, match=said):
            check_paths(HfConfig(model=str(folder)))


def test_flash_attention_needs_its_package_here(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for implementation, package in (("flash_attention_2", "flash_attn"), ("flash_attention_3", "flash_attn_interface")):
        config = HfConfig(model=str(tiny_llama), attention=implementation)
        monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
        with pytest.raises(ConfigError, match=f"needs the package {package}"):
            check_paths(config)
        monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
        check_paths(config)
    check_paths(HfConfig(model=str(tiny_llama), attention="eager"))


def test_a_config_that_cannot_be_read_is_named(tiny_llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "copy"))
    (folder / "config.json").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"config\.json cannot be read"):
        check_paths(HfConfig(model=str(folder)))


@pytest.mark.parametrize(
    ("said", "read"),
    [('{"prompt_format": "ntp", "more": 1}', "ntp"), ('{"prompt_format": 5}', None), ("[]", None), ("{", None)],
)
def test_a_folder_may_say_how_states_were_shown(tmp_path: Path, said: str, read: str | None) -> None:
    assert prompt_format_of(tmp_path) is None
    (tmp_path / POLICY_NOTE).write_text(said)
    assert prompt_format_of(tmp_path) == read
