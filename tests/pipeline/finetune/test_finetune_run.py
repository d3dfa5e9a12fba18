"""From pairs to an adapter that our own server takes."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from _tiny_llama import tiny_llama

from leanebm.core import ProofState
from leanebm.errors import ConfigError, PolicyBadRequest
from leanebm.pipeline import StageProgressed
from leanebm.pipeline.finetune.finetune_run import FinetuneReport
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.serve import HfBackend, HfConfig, PolicyServer, ServeConfig


async def test_the_held_out_loss_falls_and_the_report_says_so(tuned: tuple[Path, FinetuneReport]) -> None:
    folder, report = tuned
    assert report.after.loss < 0.5 * report.before.loss
    assert min(look.validation.loss for look in report.looks) == pytest.approx(report.after.loss, rel=1e-5)
    assert [look.step for look in report.looks] == [12, 24, 36, 48]
    said = json.loads((folder / "report.json").read_text("utf-8"))
    assert said["after"]["loss"] == report.after.loss
    assert said["data"]["training_pairs"] + said["data"]["validation_pairs"] == 48
    assert f"{report.before.loss:.4f} → {report.after.loss:.4f}" in "\n".join(report.lines())


async def test_our_server_loads_the_adapter_and_answers_otherwise(
    tuned: tuple[Path, FinetuneReport], tiny: Path, proof_state: ProofState
) -> None:
    backend = HfBackend(HfConfig(model=str(tiny)))
    async with PolicyServer(ServeConfig(), backend) as server:
        config = PolicyClientConfig(url=server.url, max_tactic_tokens=24, sampling_seed=0)
        async with PolicyClient(config) as plain:
            before = await plain.propose(proof_state, 4)
            await plain.load_adapter("tuned", str(tuned[0] / "adapter"))
            with pytest.raises(PolicyBadRequest, match="already loaded"):
                await plain.load_adapter("tuned", str(tuned[0] / "adapter"))
        async with PolicyClient(attrs.evolve(config, adapter="tuned", temperature=0.0)) as learnt:
            assert (await learnt.wait_ready()).prompt_formats == {"tuned": "state_comment"}
            [best] = await learnt.propose(proof_state, 1)
    assert best.tactic in ("rw [Nat.add_zero]", "rfl")
    assert best.log_prob > -2.0
    assert best.tactic not in {candidate.tactic for candidate in before}


async def test_a_search_that_shows_states_otherwise_is_refused(tuned: tuple[Path, FinetuneReport], tiny: Path) -> None:
    backend = HfBackend(HfConfig(model=str(tiny), adapters={"tuned": str(tuned[0] / "adapter")}))
    async with PolicyServer(ServeConfig(), backend) as server:
        other = PolicyClientConfig(url=server.url, adapter="tuned", prompt_format="bfs_prover")
        async with PolicyClient(other) as client:
            with pytest.raises(ConfigError, match="state_comment, not bfs_prover @ --prompt-format"):
                await client.wait_ready()
        async with PolicyClient(attrs.evolve(other, adapter=None)) as client:
            await client.wait_ready()  # the model itself was trained on no form that we know of


@attrs.define
class StopAt:
    """An observer that stops the run it watches."""

    step: int
    task: asyncio.Task[Any] | None = None

    def notify(self, event: Any) -> None:
        if isinstance(event, StageProgressed) and event.stage == "fine-tuning" and (event.done or 0) >= self.step:
            assert self.task is not None
            self.task.cancel()


@pytest.mark.parametrize("step", [1, 4, 7])
async def test_a_stopped_training_goes_on_and_ends_as_one_that_was_not(
    short: tuple[Path, FinetuneReport], tiny: Path, pairs: Path, tmp_path: Path, step: int, run_of: Any
) -> None:
    stopping = StopAt(step)
    stopping.task = asyncio.ensure_future(
        run_of(tiny, pairs, tmp_path / "again", observer=stopping, save_every_s=0.0).run()
    )
    with pytest.raises(asyncio.CancelledError):
        await stopping.task
    assert not (tmp_path / "again" / "report.json").exists()
    report = await run_of(tiny, pairs, tmp_path / "again").run()
    files = [folder / "adapter" / "adapter_model.safetensors" for folder in (tmp_path / "again", short[0])]
    assert files[0].read_bytes() == files[1].read_bytes()
    different: dict[str, Any] = {"adapter": "", "seconds": 0.0}
    assert attrs.evolve(report, **different) == attrs.evolve(short[1], **different)


async def test_a_finished_training_is_only_reported_again(
    short: tuple[Path, FinetuneReport], tiny: Path, pairs: Path, run_of: Any
) -> None:
    folder, report = short
    before = (folder / "training_state.safetensors").read_bytes()
    assert await run_of(tiny, pairs, folder).run() == report
    assert (folder / "training_state.safetensors").read_bytes() == before


@pytest.mark.parametrize("how", ["gone", "damaged"])
async def test_an_adapter_that_is_gone_or_damaged_is_missed_before_any_step(
    short: tuple[Path, FinetuneReport], tiny: Path, pairs: Path, tmp_path: Path, run_of: Any, how: str
) -> None:
    folder = shutil.copytree(short[0], tmp_path / "out")
    weights = folder / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(b"no tensors")
    if how == "gone":
        weights.unlink()
    with pytest.raises(ConfigError, match=f"restore it, or delete {folder} to train again"):
        await run_of(tiny, pairs, folder).run()


async def test_a_folder_of_another_training_is_refused_with_what_differs(
    short: tuple[Path, FinetuneReport], tiny: Path, pairs: Path, write_pairs: Any, tmp_path: Path, run_of: Any
) -> None:
    with pytest.raises(ConfigError, match=r"learning_rate: 0\.015 in the folder, 0\.01 now"):
        await run_of(tiny, pairs, short[0], learning_rate=0.01).run()
    with pytest.raises(ConfigError, match=r"lessons: '\w+' in the folder"):
        await run_of(tiny, write_pairs(25), short[0]).run()
    other = tiny_llama(tmp_path / "other", seed=1)
    with pytest.raises(ConfigError, match=r"base: '\w+' in the folder"):
        await run_of(other, pairs, short[0]).run()


async def test_training_that_only_harms_keeps_what_was_there_and_raises_an_alarm(
    tuned: tuple[Path, FinetuneReport], tiny: Path, pairs: Path, tmp_path: Path, run_of: Any
) -> None:
    more = {"continue_from": tuned[0] / "adapter", "rank": None, "learning_rate": 0.5}
    report = await run_of(tiny, pairs, tmp_path / "harmed", **more).run()
    assert report.looks[-1].validation.loss > report.before.loss
    assert (report.best_step, report.after) == (0, report.before)
    assert "is as it began" in report.alarms[0]


async def test_an_adapter_that_draws_all_states_together_raises_the_alarm(
    tiny: Path, write_pairs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_of: Any
) -> None:
    """Planted: what is kept as the best adapter is one that adds the same large vector to every state."""
    from leanebm.pipeline.finetune import _tuner

    kept = _tuner.Tuner.use_best

    def use_planted(tuner: Any) -> None:
        kept(tuner)
        norm = tuner._model.model.norm
        norm.register_forward_hook(lambda _, __, output: 0.05 * output + torch.ones_like(output))

    monkeypatch.setattr(_tuner.Tuner, "use_best", use_planted)
    report = await run_of(tiny, write_pairs(60), tmp_path / "planted", max_steps=2, validation_fraction=0.3).run()
    assert report.embeddings_before is not None
    assert report.embeddings_after is not None
    assert any("mean cosine" in alarm for alarm in report.alarms)
    assert any(line.startswith("ALARM: the mean cosine") for line in report.lines())


async def test_unlikelihood_without_refused_tactics_is_an_error(
    tiny: Path, write_pairs: Any, tmp_path: Path, run_of: Any
) -> None:
    with pytest.raises(ConfigError, match="no refused tactic to unlearn"):
        await run_of(tiny, write_pairs(), tmp_path / "none", unlikelihood=1.0).run()


@pytest.mark.parametrize(
    ("absent", "said"), [("tokenizer.json", "has no tokenizer.json"), ("config.json", "is not the folder of a model")]
)
async def test_a_folder_that_is_no_whole_model_is_refused_before_any_work(
    tiny: Path, write_pairs: Any, tmp_path: Path, absent: str, said: str, run_of: Any
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny, broken)
    (broken / absent).unlink()
    with pytest.raises(ConfigError, match=said):
        await run_of(broken, write_pairs(), tmp_path / "out").run()
    assert not (tmp_path / "out").exists()


async def test_two_trainings_do_not_share_a_folder(tiny: Path, write_pairs: Any, tmp_path: Path, run_of: Any) -> None:
    from filelock import FileLock

    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(ConfigError, match="another process is fine-tuning"):
        await run_of(tiny, write_pairs(), tmp_path / "out").run()
