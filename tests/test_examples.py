"""The examples run, as files, the way a reader runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from leanebm.lean.embedded import EmbeddedLean

EXAMPLES = Path(__file__).parent.parent / "examples"
NEED_LEAN = {"01_prove_with_real_lean.py"}


def run(name: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", EXAMPLES / name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", sorted({path.name for path in EXAMPLES.glob("*.py")} - NEED_LEAN))
def test_an_example_runs_and_says_something(name: str) -> None:
    assert run(name).strip()


@pytest.mark.lean
@pytest.mark.parametrize("name", sorted(NEED_LEAN))
def test_an_example_proves_with_real_lean(name: str, embedded_lean: EmbeddedLean) -> None:
    assert embedded_lean.node.is_file()
    assert "theorem leanebm_" in run(name)
