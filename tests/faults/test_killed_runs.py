from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "kill_main.py"


def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    """The benchmark, in short. It judges by the files and the process table alone, and fails by its exit status."""
    verdict = tmp_path / "verdict.json"
    command = [sys.executable, str(_BENCHMARK), "--kills", "5", "--theorems", "25", "--output", str(tmp_path / "runs")]
    finished = subprocess.run([*command, "--json", str(verdict)], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    found = json.loads(verdict.read_text())
    assert found["faults"] == []
    assert found["kills"] == 5
    assert found["of these equal"] == found["runs completed"] >= 1
    assert found["outcomes undisturbed"]["proved"] >= 5
