from __future__ import annotations

import json
import math
from pathlib import Path

import attrs

from leanebm.pipeline.finetune.collapse import EmbeddingFigures
from leanebm.pipeline.finetune.report import FinetuneReport, Look, Measured

FIGURES = EmbeddingFigures(states=9, mean_cosine=0.5, effective_rank=3.25, separability=0.75)
REPORT = FinetuneReport(
    model="m",
    adapter="out/adapter",
    prompt_format="ntp",
    data={
        "training_theorems": 3,
        "training_pairs": 7,
        "validation_theorems": 1,
        "validation_pairs": 2,
        "cut_prompts": 4,
        "left_out_tactic_too_long": 1,
        "left_out_state_not_read": 0,
    },
    steps=20,
    best_step=10,
    stopped_early=False,
    skipped=10,
    seconds=61.4,
    before=Measured(loss=2.5, objective=2.5, rejected_probability=0.25),
    after=Measured(loss=1.25, objective=1.25, rejected_probability=0.125),
    looks=(
        Look(step=10, training_loss=2.0, validation=Measured(loss=1.25, objective=1.25)),
        Look(step=20, training_loss=None, validation=Measured(loss=math.nan, objective=math.inf)),
    ),
    embeddings_before=FIGURES,
    embeddings_after=FIGURES,
    alarms=("it is ill",),
)


def test_a_person_reads_what_was_learnt_and_what_is_wrong() -> None:
    assert list(REPORT.lines()) == [
        "learnt from 7 pairs of 3 theorems, held out 2 of 1",
        "  cut prompts: 4, left out tactic too long: 1",
        "held-out loss 2.5000 → 1.2500 nats per token, best after 10 of 20 steps, 61 s",
        "held-out tactics that Lean refused: probability 0.2500 → 0.1250",
        (
            "embeddings of 9 held-out states: mean cosine 0.500 → 0.500, effective rank 3.2 → 3.2, "
            "separability 0.750 → 0.750"
        ),
        "ALARM: it is ill",
    ]


def test_a_person_is_told_that_embeddings_were_not_compared() -> None:
    *_, line, alarm = attrs.evolve(REPORT, embeddings_before=None, embeddings_after=None).lines()
    assert (line, alarm) == ("embeddings were not compared: too few states are held out", "ALARM: it is ill")


def test_a_program_reads_all_of_it_as_json(tmp_path: Path) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    REPORT.write(tmp_path)
    said = json.loads((tmp_path / "report.json").read_text("utf-8"), parse_constant=refuse)
    assert said["looks"][0] == {
        "step": 10,
        "training_loss": 2.0,
        "validation": {"loss": 1.25, "objective": 1.25, "rejected_probability": None},
    }
    assert said["looks"][1]["validation"]["loss"] is None
    assert said["embeddings_after"]["effective_rank"] == 3.25
    assert said["alarms"] == ["it is ill"]
