"""The benchmarks, in short. They judge by the files and the process table alone, and fail by their exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def under_fire(benchmark: str, folder: Path, *arguments: str) -> Any:
    """The benchmark's report."""
    verdict = folder / "verdict.json"
    command = [sys.executable, str(_BENCHMARKS / benchmark), *arguments, "--output", str(folder / "runs")]
    finished = subprocess.run([*command, "--json", str(verdict)], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return json.loads(verdict.read_text())


def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    found = under_fire("kill_main.py", tmp_path, "--kills", "3", "--theorems", "12")
    assert found["faults"] == []
    assert found["kills"] == 3
    assert found["of these equal"] == found["runs completed"] >= 1
    assert found["outcomes undisturbed"]["proved"] >= 3


def test_what_follows_a_search_ends_as_if_it_had_not_been_killed(tmp_path: Path) -> None:
    stages = ("generate-negatives", "train-ebm")  # what `export` writes, it writes at once: see test_atomic_file.py
    chosen = (word for stage in stages for word in ("--stage", stage))
    report = under_fire("kill_stages.py", tmp_path, "--kills", "1", "--theorems", "8", *chosen)
    assert report.keys() == set(stages)
    for found in report.values():
        assert found["faults"] == []
        assert found["kills"] == 1
        assert found["of these equal"] == found["runs completed"] >= 1
