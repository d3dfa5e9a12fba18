from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from _tiny_llama import tiny_llama as build_tiny_llama
from safetensors.torch import load_file, save_file

from leanebm.errors import ConfigError
from leanebm.serve.backends.hf.checkpoint import copy_weights, differences, load_checkpoint


def load(folder: Path) -> Any:
    return load_checkpoint(folder, dtype=torch.float32, attention=None, trust_remote_code=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return build_tiny_llama(tmp_path / "tiny")


def edit_weights(folder: Path, name: str, tensor: torch.Tensor | None) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    path.unlink()
    del weights[name]
    save_file({**weights, **({} if tensor is None else {name: tensor})}, path, metadata={"format": "pt"})


def edit_config(folder: Path, **settings: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def test_a_sound_checkpoint_is_read_without_a_word(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert not load(folder).training
    assert capfd.readouterr() == ("", "")


def test_weights_are_never_made_up(folder: Path) -> None:
    edit_weights(folder, "model.layers.0.mlp.up_proj.weight", None)
    with pytest.raises(ConfigError, match=r"mlp\.up_proj\.weight is not in the files"):
        load(folder)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    edit_weights(folder, "model.layers.0.mlp.up_proj.weight", torch.zeros(3, 3))
    with pytest.raises(ConfigError, match="up_proj"):
        load(folder)


def test_weights_that_are_not_finite_are_refused(folder: Path) -> None:
    edit_weights(folder, "model.norm.weight", torch.full((32,), float("nan")))
    with pytest.raises(ConfigError, match=r"model\.norm\.weight has values that are not finite"):
        load(folder)


def test_weights_that_belong_nowhere_are_mentioned(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = folder / "model.safetensors"
    save_file({**load_file(path), "stray.weight": torch.zeros(1)}, folder / "new", metadata={"format": "pt"})
    (folder / "new").rename(path)
    load(folder)
    assert "1 tensors" in caplog.text


@pytest.mark.parametrize("size", [0, 100, 50_000])
def test_a_file_that_was_cut_short_is_refused(folder: Path, size: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load(folder)


def test_code_in_the_folder_does_not_run(folder: Path) -> None:
    (folder / "mine.py").write_text("raise SystemExit('it ran')")
    edit_config(folder, model_type="mine", auto_map={"AutoConfig": "mine.C", "AutoModelForCausalLM": "mine.M"})
    with pytest.raises(ConfigError, match="trust_remote_code"):
        load(folder)


def test_only_what_matters_differs(folder: Path, tmp_path: Path) -> None:
    other = build_tiny_llama(tmp_path / "other", seed=1)
    edit_config(other, transformers_version="9.9.9", use_cache=False, rms_norm_eps=0.5)
    assert differences(load(folder).config, load(other).config) == ["rms_norm_eps: 1e-06 here, 0.5 there"]


def test_tensors_of_other_shapes_are_not_copied(folder: Path, tmp_path: Path) -> None:
    narrow, deep = load(folder), load(build_tiny_llama(tmp_path / "deep", layers=3))
    before = {name: tensor.clone() for name, tensor in narrow.state_dict().items()}
    with pytest.raises(ConfigError, match=r"layers\.2\..*absent here"):
        copy_weights(deep, narrow)
    assert all(torch.equal(tensor, before[name]) for name, tensor in narrow.state_dict().items())
