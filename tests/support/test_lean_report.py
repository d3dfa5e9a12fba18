from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from scripted_toolchain import write_program, write_toolchain

from leanebm.lean.embedded import EmbeddedLean

ROOT = Path(__file__).parents[2]
_CONFORMANCE = "tests/lean/repl/test_framing.py"
_SOUNDNESS = "tests/soundness/test_controls.py::test_an_honest_proof_is_certified"


def _suites(folder: Path, *arguments: str, path: str | None = None) -> tuple[int, str]:
    """The exit status of a run over a native Lean, and its report."""
    report = folder / "report.md"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments]
    done = subprocess.run(
        [*command, "--lean-backend", "native", "--lean-report", str(report)],
        cwd=ROOT,
        env=os.environ | {"PATH": path or f"{folder}:/usr/bin:/bin", "LEANEBM_CACHE_DIR": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.is_file(), done.stdout + done.stderr
    return done.returncode, report.read_text(encoding="utf-8")


@pytest.mark.lean
def test_the_suites_run_over_a_toolchain_and_say_how_it_went(embedded_lean: EmbeddedLean, tmp_path: Path) -> None:
    write_toolchain(tmp_path, embedded_lean.worker_command(()))
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "lakefile.toml").write_text("[leanOptions]\npp.unicode.fun = true\n")
    (tmp_path / "project" / "lean-toolchain").write_text("leanprover/lean4:v4.28.0\n")
    names = ("1_banner_is_the_first_line", "2_the_version_is_one_line_and_no_banner", "8_unknown_command")
    printed = "tests/lean/repl/test_dialogues.py::test_the_root_is_known_when_it_is_proved"  # `fun … =>`
    chosen = [*(f"{_CONFORMANCE}::test_0{name}" for name in names), printed]
    status, report = _suites(
        tmp_path, *chosen, f"{_SOUNDNESS}[one setting]", "--lean-project", str(tmp_path / "project")
    )
    assert status == 0, report
    assert "worker: Lean 4.28.0, commit" in report
    assert "project` (leanprover/lean4:v4.28.0)" in report
    assert "| conformance | 4 | 0 | 0 |\n| soundness | 1 | 0 | 0 |" in report
    assert "honest proofs tried 1, accepted 1" in report
    assert "What failed: 0" in report
    assert list((tmp_path / "cache").rglob(".lake/build/bin/repl"))


@pytest.mark.lean
def test_what_fails_is_quoted(embedded_lean: EmbeddedLean, tmp_path: Path) -> None:
    write_toolchain(tmp_path, embedded_lean.worker_command(()))
    whole = write_program(tmp_path / "whole", (tmp_path / "repl").read_text())
    write_program(tmp_path / "repl", f"{whole} \"$@\" | sed -u 's/Unknown command/What/'")
    status, report = _suites(tmp_path, f"{_CONFORMANCE}::test_08_unknown_command")
    assert status == 1
    assert "| conformance | 0 | 1 | 0 |" in report
    assert re.search(r"What failed: 1\n\n### .*test_08_unknown_command \(call\)", report)
    assert "What nope" in report


def test_a_lean_that_does_not_start_is_a_report_too(tmp_path: Path) -> None:
    status, report = _suites(tmp_path, _CONFORMANCE)
    assert status == 1
    assert "does not start: 'lean' is not on PATH" in report
