from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from leanebm.core import Candidate, Theorem
from leanebm.errors import ConfigError
from leanebm.pipeline import FinetuneConfig, FinetuneSources, RunConfig, SearchRun
from leanebm.pipeline.finetune._tuner import Tuner
from leanebm.pipeline.finetune.finetune_run import FinetuneReport
from leanebm.pipeline.finetune.lessons import Lesson, Lessons, Side
from leanebm.search import SearchBudget, SearchConfig
from leanebm.serve.backends.hf.tokenizer import PromptTokenizer
from leanebm.testing import QED, ScriptedPolicy, ToyWorld


async def test_patience_ends_it_early(tiny: Path, write_pairs: Any, tmp_path: Path, run_of: Any) -> None:
    more = {"learning_rate": 30.0, "max_steps": 40, "evaluations": 20, "patience": 2}
    report = await run_of(tiny, write_pairs(), tmp_path / "early", **more).run()
    assert report.stopped_early
    assert report.steps < 40
    assert len(report.looks) - sum(look.step <= report.best_step for look in report.looks) == 2


async def test_there_are_as_many_looks_as_were_asked_for(tiny: Path, pairs: Path, tmp_path: Path, run_of: Any) -> None:
    report = await run_of(tiny, pairs, tmp_path / "looks", max_steps=7, evaluations=4).run()
    assert [look.step for look in report.looks] == [2, 4, 6, 7]


async def test_refused_tactics_become_less_likely(
    tuned: tuple[Path, FinetuneReport], tiny: Path, tmp_path: Path, toy_bench: Callable[..., Any], run_of: Any
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


async def test_prompts_are_learnt_as_far_as_is_asked_for(tiny: Path, pairs: Path, tmp_path: Path, run_of: Any) -> None:
    auto: Any = AutoModelForCausalLM
    [prompt] = PromptTokenizer.load(tiny, trust_remote_code=False).encode(["⊢ 50 + 0 = 50"])
    losses = []
    for weight in (0.0, 1.0):
        whole = {"whole": True, "rank": None, "prompt_format": "first_goal", "prompt_weight": weight}
        report = await run_of(tiny, pairs, tmp_path / f"{weight}", max_steps=20, **whole).run()
        ids = torch.tensor([prompt])
        losses.append(float(auto.from_pretrained(report.adapter)(ids, labels=ids).loss.detach()))
        assert report.after.loss < 0.5 * report.before.loss
    assert losses[1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("learnt", "held_out", "options", "left"),
    [
        ("p q : Prop\nh : p ∧ q\n⊢ p", "p q : Prop\nh : q ∧ p\n⊢ q", {"renamed_copies": 4}, (1, 2)),
        ("⊢ 1 = 1\n\n⊢ 2 = 2", "⊢ 1 = 1\n\n⊢ 3 = 3", {"prompt_format": "first_goal"}, (1, 1)),
        ("⊢ 1 = 1\n\n⊢ 2 = 2", "⊢ 1 = 1\n\n⊢ 3 = 3", {}, (1, 2)),
    ],
)
def test_no_prompt_is_learnt_from_and_judged_on(
    tiny: Path, tmp_path: Path, learnt: str, held_out: str, options: dict[str, Any], left: tuple[int, int]
) -> None:
    """A renamed copy may read like a held-out state, and a format may show two states alike."""
    training = Side(proofs=(Lesson("a", learnt, "rfl"),), rejected=(), groups=())
    judged = (Lesson("b", held_out, "rfl"), Lesson("b", "⊢ 4 = 4", "rfl"))
    lessons = Lessons(training=training, validation=Side(proofs=judged, rejected=(), groups=()))
    tuner = Tuner(FinetuneConfig(model=str(tiny), **options), lessons, tmp_path, {"base": "tiny"})
    sides = tuner.training.proofs, tuner.validation.proofs
    assert tuple(len(side.examples) for side in sides) == left
    assert sum(side.left_out["prompt_also_on_the_other_side"] for side in sides) == (1 if options else 0)


async def test_pairs_of_which_none_fits_are_an_error_that_says_why(
    tiny: Path, write_pairs: Any, tmp_path: Path, run_of: Any
) -> None:
    pairs = write_pairs(tactic="constructor\nsimp")
    pairs.write_text(pairs.read_text().replace('"rfl"', '"simp\\nrfl"'))
    with pytest.raises(ConfigError, match=r"tactic not read back: 4. of the training pairs"):
        await run_of(tiny, pairs, tmp_path / "out").run()


async def test_a_loss_that_does_not_stay_finite_ends_it(tiny: Path, pairs: Path, tmp_path: Path, run_of: Any) -> None:
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
