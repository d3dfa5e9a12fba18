from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from _tiny_llama import tiny_llama
from safetensors.torch import load_file

from leanebm.errors import ConfigError
from leanebm.pipeline.finetune.finetune_run import FinetuneReport


async def test_an_adapter_is_gone_on_from_in_its_own_shape(
    short: tuple[Path, FinetuneReport], tiny: Path, pairs: Path, tmp_path: Path, run_of: Any
) -> None:
    more = {"continue_from": short[0] / "adapter", "rank": None}
    report = await run_of(tiny, pairs, tmp_path / "more", **more).run()
    assert report.before.loss == pytest.approx(short[1].after.loss, rel=1e-5)
    assert report.after.loss <= report.before.loss
    shapes = [
        {name: tensor.shape for name, tensor in load_file(folder / "adapter" / "adapter_model.safetensors").items()}
        for folder in (short[0], tmp_path / "more")
    ]
    assert shapes[0] == shapes[1]


async def test_an_adapter_of_another_model_is_refused(
    short: tuple[Path, FinetuneReport], pairs: Path, tmp_path: Path, run_of: Any
) -> None:
    other = tiny_llama(tmp_path / "other", seed=1)
    more = {"continue_from": short[0] / "adapter", "rank": None}
    with pytest.raises(ConfigError, match="was made for another model"):
        await run_of(other, pairs, tmp_path / "more", **more).run()
    foreign = tmp_path / "foreign"
    shutil.copytree(short[0] / "adapter", foreign)
    (foreign / "leanebm_policy.json").unlink()
    wider = tiny_llama(tmp_path / "wider", hidden=64)
    with pytest.raises(ConfigError, match="does not fit the model"):
        await run_of(wider, pairs, tmp_path / "more", continue_from=foreign, rank=None).run()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
async def test_four_bits_need_cuda(tiny: Path, write_pairs: Any, tmp_path: Path, run_of: Any) -> None:
    with pytest.raises(ConfigError, match=r"4 bits need a CUDA device.* @ \$.qlora"):
        await run_of(tiny, write_pairs(), tmp_path / "out", qlora=True).run()


async def test_a_layer_that_is_not_there_is_named(tiny: Path, write_pairs: Any, tmp_path: Path, run_of: Any) -> None:
    with pytest.raises(ConfigError, match="nonsense"):
        await run_of(tiny, write_pairs(), tmp_path / "out", target_modules=["nonsense"]).run()


async def test_an_adapter_goes_on_with_prompts_of_its_own_form(
    short: tuple[Path, FinetuneReport], tiny: Path, pairs: Path, tmp_path: Path, run_of: Any
) -> None:
    more = {"continue_from": short[0] / "adapter", "rank": None, "prompt_format": "ntp"}
    with pytest.raises(ConfigError, match=r"states shown as state_comment @ \$.prompt_format"):
        await run_of(tiny, pairs, tmp_path / "more", **more).run()


async def test_a_model_that_was_trained_on_states_in_another_form_is_refused(
    tiny: Path, pairs: Path, tmp_path: Path, run_of: Any
) -> None:
    shown = tmp_path / "shown"
    shutil.copytree(tiny, shown)
    (shown / "leanebm_policy.json").write_text('{"prompt_format": "first_goal"}')
    with pytest.raises(ConfigError, match=r"shown was trained on states shown as first_goal @ \$.prompt_format"):
        await run_of(shown, pairs, tmp_path / "out").run()
    assert not (tmp_path / "out").exists()
