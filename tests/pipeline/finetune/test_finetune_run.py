"""From pairs to an adapter that our own server takes."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from _tiny_llama import tiny_llama
from safetensors.torch import load_file, save_file

from leanebm.core import Candidate, Goal, ProofState, StateRef, Theorem
from leanebm.errors import ConfigError, PolicyBadRequest
from leanebm.pipeline import FinetuneConfig, FinetuneSources, RunConfig, SearchRun, StageProgressed
from leanebm.pipeline.finetune.finetune_run import FinetuneReport, FinetuneRun, merge_adapter
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.search import SearchBudget, SearchConfig
from leanebm.serve import HfBackend, HfConfig, PolicyServer, ServeConfig
from leanebm.testing import QED, ScriptedPolicy, ToyWorld

QUICK = {"learning_rate": 0.015, "batch_size": 8, "max_steps": 8, "evaluations": 4, "rank": 8}

STATE = ProofState((Goal("⊢ 7 + 0 = 7", "7 + 0 = 7"),), "key", StateRef(epoch=1, state_id=0))


def run_of(tiny: Path, pairs: Path | None, folder: Path, *, observer: Any = None, **more: Any) -> FinetuneRun:
    sources = more.pop("sources", None) or FinetuneSources(pairs=() if pairs is None else (pairs,))
    config = FinetuneConfig(model=str(tiny), **{**QUICK, **more})
    return FinetuneRun(config, sources, folder, observer=observer)


def weights(folder: Path) -> bytes:
    return (folder / "adapter" / "adapter_model.safetensors").read_bytes()


@pytest.fixture(scope="module")
async def tuned(tiny: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FinetuneReport]:
    """The folder and the report of a training that went on for long enough."""
    folder = tmp_path_factory.mktemp("tuned")
    return folder, await run_of(tiny, pairs, folder, max_steps=48).run()


@pytest.fixture(scope="module")
async def short(tiny: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FinetuneReport]:
    """The same of a training of eight steps."""
    folder = tmp_path_factory.mktemp("short")
    return folder, await run_of(tiny, pairs, folder).run()


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
    tuned: tuple[Path, FinetuneReport], tiny: Path
) -> None:
    backend = HfBackend(HfConfig(model=str(tiny)))
    async with PolicyServer(ServeConfig(), backend) as server:
        config = PolicyClientConfig(url=server.url, max_tactic_tokens=24, sampling_seed=0)
        async with PolicyClient(config) as plain:
            before = await plain.propose(STATE, 4)
            await plain.load_adapter("tuned", str(tuned[0] / "adapter"))
            with pytest.raises(PolicyBadRequest, match="already loaded"):
                await plain.load_adapter("tuned", str(tuned[0] / "adapter"))
        async with PolicyClient(attrs.evolve(config, adapter="tuned", temperature=0.0)) as learnt:
            assert (await learnt.wait_ready()).prompt_formats == {"tuned": "state_comment"}
            [best] = await learnt.propose(STATE, 1)
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


async def test_a_merged_model_answers_as_the_adapter_does(
    tuned: tuple[Path, FinetuneReport], tiny: Path, tmp_path: Path
) -> None:
    folder, _ = tuned
    merged = merge_adapter(tiny, folder / "adapter", tmp_path / "merged")
    candidates: list[Candidate] = []
    for config, name in (
        (HfConfig(model=str(tiny), adapters={"a": str(folder / "adapter")}), "a"),
        (HfConfig(model=str(merged)), None),
    ):
        async with PolicyServer(ServeConfig(), HfBackend(config)) as server:
            asked = PolicyClientConfig(url=server.url, adapter=name, temperature=0.0, max_tactic_tokens=24)
            async with PolicyClient(asked) as client:
                info = await client.wait_ready()
                candidates += await client.propose(STATE, 1)
    assert info.prompt_formats == {"": "state_comment"}
    assert candidates[0].tactic == candidates[1].tactic
    assert candidates[0].log_prob == pytest.approx(candidates[1].log_prob, abs=1e-4)
    with pytest.raises(ConfigError, match="is there already"):
        merge_adapter(tiny, folder / "adapter", merged)


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
    short: tuple[Path, FinetuneReport], tiny: Path, pairs: Path, tmp_path: Path, step: int
) -> None:
    stopping = StopAt(step)
    stopping.task = asyncio.ensure_future(
        run_of(tiny, pairs, tmp_path / "again", observer=stopping, save_every_s=0.0).run()
    )
    with pytest.raises(asyncio.CancelledError):
        await stopping.task
    assert not (tmp_path / "again" / "report.json").exists()
    report = await run_of(tiny, pairs, tmp_path / "again").run()
    assert weights(tmp_path / "again") == weights(short[0])
    different: dict[str, Any] = {"adapter": "", "seconds": 0.0}
    assert attrs.evolve(report, **different) == attrs.evolve(short[1], **different)


async def test_a_finished_training_is_only_reported_again(
    short: tuple[Path, FinetuneReport], tiny: Path, pairs: Path
) -> None:
    folder, report = short
    before = (folder / "training_state.safetensors").read_bytes()
    assert await run_of(tiny, pairs, folder).run() == report
    assert (folder / "training_state.safetensors").read_bytes() == before


async def test_a_folder_of_another_training_is_refused_with_what_differs(
    short: tuple[Path, FinetuneReport], tiny: Path, pairs: Path, write_pairs: Any, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"learning_rate: 0\.015 in the folder, 0\.01 now"):
        await run_of(tiny, pairs, short[0], learning_rate=0.01).run()
    with pytest.raises(ConfigError, match=r"lessons: '\w+' in the folder"):
        await run_of(tiny, write_pairs(25), short[0]).run()
    other = tiny_llama(tmp_path / "other", seed=1)
    with pytest.raises(ConfigError, match=r"base: '\w+' in the folder"):
        await run_of(other, pairs, short[0]).run()


async def test_an_adapter_is_gone_on_from_in_its_own_shape(
    short: tuple[Path, FinetuneReport], tiny: Path, pairs: Path, tmp_path: Path
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
    short: tuple[Path, FinetuneReport], pairs: Path, tmp_path: Path
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


async def test_training_that_only_harms_keeps_what_was_there_and_raises_an_alarm(
    tuned: tuple[Path, FinetuneReport], tiny: Path, pairs: Path, tmp_path: Path
) -> None:
    more = {"continue_from": tuned[0] / "adapter", "rank": None, "learning_rate": 0.5}
    report = await run_of(tiny, pairs, tmp_path / "harmed", **more).run()
    assert report.looks[-1].validation.loss > report.before.loss
    assert (report.best_step, report.after) == (0, report.before)
    assert "is as it began" in report.alarms[0]


async def test_patience_ends_it_early(tiny: Path, write_pairs: Any, tmp_path: Path) -> None:
    more = {"learning_rate": 30.0, "max_steps": 40, "evaluations": 20, "patience": 2}
    report = await run_of(tiny, write_pairs(), tmp_path / "early", **more).run()
    assert report.stopped_early
    assert report.steps < 40
    assert len(report.looks) - sum(look.step <= report.best_step for look in report.looks) == 2


async def test_an_adapter_that_draws_all_states_together_raises_the_alarm(
    tiny: Path, write_pairs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


async def test_refused_tactics_become_less_likely(
    tuned: tuple[Path, FinetuneReport], tiny: Path, tmp_path: Path, toy_bench: Callable[..., Any]
) -> None:
    """From a model that knows two tactics, and not yet which of them Lean takes where."""
    rewrite, close = "rw [Nat.add_zero]", "rfl"
    world = ToyWorld(
        moves={f"{i} + 0 = {i}": {rewrite: f"{i} = {i}", "turn": f"0 = {i}"} for i in range(40)}
        | {f"{i} = {i}": {close: QED} for i in range(40)}
        | {f"0 = {i}": {} for i in range(40)}
    )
    both = [Candidate(tactic, -1.0, num_tokens=4) for tactic in (rewrite, close, "turn")]
    theorems = [Theorem(name=f"n{i}", statement=f"{i} + 0 = {i}") for i in range(40)]
    config = RunConfig(search=SearchConfig(budget=SearchBudget(max_expansions=20)))
    opening = toy_bench(world, policy=ScriptedPolicy(script={}, default=both))
    await SearchRun(config, theorems, tmp_path / "run", opening=opening).run()
    reports = []
    for weight in (1e-9, 10.0):
        more = {"unlikelihood": weight, "continue_from": tuned[0] / "adapter", "rank": None, "learning_rate": 0.004}
        sources = FinetuneSources(trajectories=(tmp_path / "run",))
        run = run_of(tiny, None, tmp_path / f"weight{weight}", sources=sources, validation_fraction=0.3, **more)
        reports.append(await run.run())
    without, with_it = (report.looks[-1].validation.rejected_probability for report in reports)
    assert without is not None
    assert with_it is not None
    assert reports[1].data["training_rejected"] > 0
    assert with_it < 0.7 * without
    assert "held-out tactics that Lean refused" in "\n".join(reports[1].lines())
    assert reports[1].embeddings_before is not None
    assert reports[1].embeddings_before.separability is not None


async def test_unlikelihood_without_refused_tactics_is_an_error(tiny: Path, write_pairs: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no tactic that Lean refused"):
        await run_of(tiny, write_pairs(), tmp_path / "none", unlikelihood=1.0).run()


@pytest.mark.parametrize(
    ("absent", "said"), [("tokenizer.json", "has no tokenizer.json"), ("config.json", "is not the folder of a model")]
)
async def test_a_folder_that_is_no_whole_model_is_refused_before_any_work(
    tiny: Path, write_pairs: Any, tmp_path: Path, absent: str, said: str
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny, broken)
    (broken / absent).unlink()
    with pytest.raises(ConfigError, match=said):
        await run_of(broken, write_pairs(), tmp_path / "out").run()
    assert not (tmp_path / "out").exists()


async def test_pairs_of_which_none_fits_are_an_error_that_says_why(
    tiny: Path, write_pairs: Any, tmp_path: Path
) -> None:
    pairs = write_pairs(tactic="constructor\nsimp")
    pairs.write_text(pairs.read_text().replace('"rfl"', '"simp\\nrfl"'))
    with pytest.raises(ConfigError, match=r"tactic not read back: 4. of the training pairs"):
        await run_of(tiny, pairs, tmp_path / "out").run()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
async def test_four_bits_need_cuda(tiny: Path, write_pairs: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"4 bits need a CUDA device.* @ qlora"):
        await run_of(tiny, write_pairs(), tmp_path / "out", qlora=True).run()


async def test_a_layer_that_is_not_there_is_named(tiny: Path, write_pairs: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nonsense"):
        await run_of(tiny, write_pairs(), tmp_path / "out", target_modules=["nonsense"]).run()


async def test_a_loss_that_does_not_stay_finite_ends_it(tiny: Path, pairs: Path, tmp_path: Path) -> None:
    more = {"learning_rate": 1e30, "max_steps": 40}
    with pytest.raises(ConfigError, match=r"in 11 steps loss or gradient was not finite"):
        await run_of(tiny, pairs, tmp_path / "out", **more).run()
    spoilt = tmp_path / "spoilt"
    shutil.copytree(tiny, spoilt)
    tensors = load_file(tiny / "model.safetensors")
    tensors["lm_head.weight"] = torch.full_like(tensors["lm_head.weight"], 3e38)
    save_file(tensors, spoilt / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match="not finite before it learnt"):
        await run_of(spoilt, pairs, tmp_path / "spoilt out").run()


async def test_two_trainings_do_not_share_a_folder(tiny: Path, write_pairs: Any, tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(ConfigError, match="another process is fine-tuning"):
        await run_of(tiny, write_pairs(), tmp_path / "out").run()
