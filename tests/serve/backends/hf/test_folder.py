from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from leanebm.errors import ConfigError
from leanebm.serve import HfConfig
from leanebm.serve.backends.hf._folder import check_installed, check_paths, weight_hash


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
    whole = weight_hash(folder)
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "model-1.safetensors", "y": "model-1.safetensors"}}))
    check_paths(HfConfig(model=str(folder)))
    assert weight_hash(folder) == whole
    index.write_text(json.dumps({"weight_map": {"x": "model-1.safetensors", "y": "model-2.safetensors"}}))
    with pytest.raises(ConfigError, match=r"lacks model-2\.safetensors"):
        check_paths(HfConfig(model=str(folder)))
    index.write_text("[]")
    with pytest.raises(ConfigError, match="cannot be read"):
        check_paths(HfConfig(model=str(folder)))


def test_the_hash_is_that_of_the_weights_alone(tiny_llama: Path, other_llama: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_llama, tmp_path / "copy"))
    (copy / "README.md").write_text("new")
    assert weight_hash(copy) == weight_hash(tiny_llama) != weight_hash(other_llama)


def test_absent_libraries_are_named_with_the_way_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed()
    find = importlib.util.find_spec
    absent = {"torch", "peft"}

    def find_some(name: str, *more: Any) -> Any:
        return None if name in absent else find(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", find_some)
    with pytest.raises(ConfigError, match=r"torch, peft: run  python -m pip install 'leanebm\[serve\]'"):
        check_installed()
