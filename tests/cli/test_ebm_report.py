from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from leanebm.core import ContrastiveGroup, NegativeState
from leanebm.energy.diagnostics import Estimate, SiblingSet, diagnose

Leanebm = Callable[..., Result]


def judged(folder: Path, *, gap: float) -> None:
    """Write the diagnosis of a head that puts siblings off the path ``gap`` higher, give or take one."""
    rng = np.random.default_rng(0)
    groups = [
        ContrastiveGroup(
            theorem=f"t{index}",
            parent_text="⊢ p",
            parent_key="p",
            positive_text=f"⊢ {index} on",
            positive_key=f"{index} on",
            positive_tactic="rfl",
            negatives=(NegativeState(text=f"⊢ {index} off", key=f"{index} off", tactic="simp", log_prob=-1.0),),
            depth=1,
            remaining_depth=1,
            source="replay",
        )
        for index in range(40)
    ]
    energies = {g.positive_text: rng.normal() for g in groups} | {
        g.negatives[0].text: gap + rng.normal() for g in groups
    }
    diagnosis = diagnose(SiblingSet.from_groups(groups, energies), twin=Estimate.plain(0.5, 40))
    diagnosis.write(folder)


def test_it_says_where_the_page_is_and_the_verdict(leanebm_command: Leanebm, tmp_path: Path) -> None:
    judged(tmp_path, gap=3.0)
    result = leanebm_command("ebm-report", str(tmp_path))
    assert result.exit_code == 0
    assert result.stdout.startswith("promoted: Fit to guide a search.")
    assert f"report: {tmp_path / 'report.html'}" in result.stdout
    assert (tmp_path / "report.html").is_file()


def test_a_bad_head_is_no_failure_of_the_command(leanebm_command: Leanebm, tmp_path: Path) -> None:
    judged(tmp_path, gap=0.0)
    result = leanebm_command("ebm-report", str(tmp_path))
    assert result.exit_code == 0
    assert result.stdout.startswith("no better than chance: ")
    assert "β = 0" in result.stdout


def test_a_folder_without_a_diagnosis_is_told_in_one_message(leanebm_command: Leanebm, tmp_path: Path) -> None:
    result = leanebm_command("ebm-report", str(tmp_path))
    assert result.exit_code == 2
    assert "diagnosis.json does not exist" in result.stderr


def test_a_missing_folder_is_a_usage_error(leanebm_command: Leanebm) -> None:
    result = leanebm_command("ebm-report", "nowhere")
    assert result.exit_code == 2
    assert "Directory 'nowhere' does not exist" in result.stderr


def test_what_is_not_installed_is_told(
    leanebm_command: Leanebm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "leanebm.energy.diagnostics.report", None)
    result = leanebm_command("ebm-report", str(tmp_path))
    assert result.exit_code == 2
    assert "needs the extra 'energy'" in result.stderr
