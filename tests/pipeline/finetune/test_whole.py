from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from leanebm.core import ProofState
from leanebm.errors import ConfigError
from leanebm.pipeline import FinetuneConfig
from leanebm.pipeline.finetune.finetune_run import FinetuneReport
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.serve import HfBackend, HfConfig, PolicyServer, ServeConfig

RunOf = Callable[..., Any]
WHOLE = {"whole": True, "rank": None, "learning_rate": 0.01}


@pytest.fixture(scope="session")
async def whole(
    tiny: Path, pairs: Path, run_of: RunOf, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, FinetuneReport]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, await run_of(tiny, pairs, folder, **WHOLE, max_steps=64).run()


async def test_a_whole_model_learns_and_is_served_as_it_was_trained(
    whole: tuple[Path, FinetuneReport], tiny: Path, proof_state: ProofState
) -> None:
    folder, report = whole
    assert report.after.loss < 0.5 * report.before.loss
    assert report.adapter == str(folder / "model")
    assert not (folder / "adapter").exists()
    before, after = (load_file(path / "model.safetensors") for path in (tiny, folder / "model"))
    assert {tensor.dtype for tensor in after.values()} == {torch.float16}
    assert all(not torch.equal(before[name].half(), tensor) for name, tensor in after.items()), "every part learns"
    backend = HfBackend(HfConfig(model=report.adapter, device="cpu"))
    async with (
        PolicyServer(ServeConfig(port=0), backend) as server,
        PolicyClient(PolicyClientConfig(url=server.url, max_tactic_tokens=16)) as policy,
    ):
        candidates = await policy.propose(proof_state, 4)
    assert candidates[0].tactic == "rw [Nat.add_zero]"


async def test_a_stopped_training_goes_on_to_the_same_model(
    tiny: Path, pairs: Path, run_of: RunOf, tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"

    def stop_after_three(progress: Any) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    await run_of(tiny, pairs, tmp_path / "through", **WHOLE).run()
    run = run_of(tiny, pairs, stopped, **WHOLE)
    tuner = run._load(run._read())
    with pytest.raises(KeyboardInterrupt):
        tuner.train(stop_after_three)
    assert tuner.progress.step == 3
    await run_of(tiny, pairs, stopped, **WHOLE).run()
    one, other = (folder / "model" / "model.safetensors" for folder in (tmp_path / "through", stopped))
    assert one.read_bytes() == other.read_bytes()


async def test_tokenizer_and_config_come_along(whole: tuple[Path, FinetuneReport], tiny: Path) -> None:
    folder, _ = whole
    assert (folder / "model" / "tokenizer.json").read_bytes() == (tiny / "tokenizer.json").read_bytes()
    assert '"prompt_format": "state_comment"' in (folder / "model" / "leanebm_policy.json").read_text()


@pytest.mark.parametrize("more", [{"rank": 4}, {"continue_from": "x"}, {"qlora": True}, {"target_modules": ("q",)}])
def test_what_belongs_to_an_adapter_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="where the whole model learns there is no adapter"):
        FinetuneConfig(model="m", whole=True, **more)


async def test_an_adapter_in_the_folder_is_no_beginning_for_a_whole_model(
    short: tuple[Path, FinetuneReport], tiny: Path, pairs: Path, run_of: RunOf, tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    shutil.copytree(short[0], folder)
    with pytest.raises(ConfigError, match="belongs to another fine-tuning"):
        await run_of(tiny, pairs, folder, **WHOLE).run()
