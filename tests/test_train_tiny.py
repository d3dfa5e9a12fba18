"""The recipe for a small policy, from search to comparison, at the size of a toy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from train_tiny import Size, TinyPolicy

from leanebm.lean.embedded import EmbeddedLean
from leanebm.trajectory import read_trajectory

TOY = Size(
    formulas=8, drawn=0, expansions=6, hidden=32, layers=1, first_steps=60, steps=40, digest_steps=30,
    head_steps=20, batch_size=8, learning_rate=1e-2, splits=("val",), judged=2, budget=2, workers=1,
)  # fmt: skip


@pytest.mark.lean
@pytest.mark.timeout(1200)  # five programs, three of them with Lean, one after another
def test_the_recipe_makes_a_policy_that_has_learnt_and_searches(
    embedded_lean: EmbeddedLean, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert embedded_lean.node.is_file()
    TinyPolicy(tmp_path, TOY).run()
    names = ("first", "tuned", "digested")
    reports = [json.loads((tmp_path / name / "report.json").read_text()) for name in names]
    losses = [[look["training_loss"] for look in report["looks"]] for report in reports[:2]]
    assert all(looks[-1] < 0.7 * looks[0] for looks in losses)
    assert losses[1][0] < 0.7 * losses[0][0], "it goes on from what it had learnt"
    assert losses[1][-1] < 0.5 * losses[0][0]
    assert all(report["after"]["loss"] < report["before"]["loss"] for report in reports)
    ours, theirs = (read_trajectory(tmp_path / f"val-{policy}").records for policy in ("tiny", "symbolic"))
    assert {record.theorem.name for record in ours} == {record.theorem.name for record in theirs}
    assert all(record.policy_calls for record in ours)
    guided = read_trajectory(tmp_path / "val-guided").records
    assert {record.theorem.name for record in guided} == {record.theorem.name for record in ours}
    assert any(record.energy_calls for record in guided)
    assert not any(record.energy_calls for record in ours)
    assert "2 expansions:" in capsys.readouterr().out
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    TinyPolicy(tmp_path, TOY).run()
    assert kept == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}, "nothing is done twice"
