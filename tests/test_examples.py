"""The examples run, as files, the way a reader runs them."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import click
import pytest

from leanebm.cli import main
from leanebm.lean.embedded import EmbeddedLean

EXAMPLES = Path(__file__).parent.parent / "examples"
NEED_LEAN = {"01_first_proof.py"}
NEED_RAY = {"12_ray.py"}
LONGEST = 60


NOTEBOOKS = EXAMPLES / "notebooks"
RUN_NOTEBOOK = EXAMPLES.parent / "docs" / "run_notebook.py"


def run(*argv: str | Path) -> str:
    done = subprocess.run([sys.executable, "-W", "error", *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", sorted({path.name for path in EXAMPLES.glob("*.py")} - NEED_LEAN))
def test_an_example_runs_and_says_something(name: str) -> None:
    if name in NEED_RAY and importlib.util.find_spec("ray") is None:
        pytest.skip("the extra 'ray' is not installed")
    assert run(EXAMPLES / name).strip()


def test_each_example_fits_a_screen_and_has_a_number_of_its_own() -> None:
    files = sorted(EXAMPLES.glob("*.py"))
    assert [path.name[:3] for path in files] == [f"{number:02}_" for number in range(1, len(files) + 1)]
    assert {path.name: lines for path in files if (lines := path.read_text().count("\n")) > LONGEST} == {}


@pytest.mark.lean
@pytest.mark.parametrize("name", sorted(NEED_LEAN))
def test_an_example_proves_with_real_lean(name: str, embedded_lean: EmbeddedLean) -> None:
    assert embedded_lean.node.is_file()
    assert "theorem leanebm_" in run(EXAMPLES / name)


def test_a_notebook_runs_cell_by_cell() -> None:
    assert "fewer on" in run(RUN_NOTEBOOK, NOTEBOOKS / "change_a_search.ipynb")


@pytest.mark.lean
def test_a_notebook_proves_with_real_lean(embedded_lean: EmbeddedLean) -> None:
    assert embedded_lean.node.is_file()
    assert "theorem leanebm_" in run(RUN_NOTEBOOK, NOTEBOOKS / "first_proof.ipynb")


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_of_the_format_that_jupyter_opens_and_holds_no_results(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in notebook["cells"]:
        assert cell["cell_type"] in {"code", "markdown"}
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)


def test_the_full_size_recipe_types_only_options_that_there_are(tmp_path: Path) -> None:
    """Its script prints what it would do; every command of ours is taken apart by the command line itself."""
    (tmp_path / "leanebm").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m leanebm "$@"\n')
    (tmp_path / "leanebm").chmod(0o755)
    script = EXAMPLES / "full_size" / "full_size.sh"
    env = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    done = subprocess.run(["bash", script, "--dry-run"], capture_output=True, text=True, check=False, env=env)  # noqa: S607
    assert done.returncode == 0, done.stderr
    assert "would go through 3 rounds" in done.stderr
    assert "would search 1 theorem" in done.stderr
    lines = [shlex.split(line[2:]) for line in done.stderr.splitlines() if line.startswith("+ leanebm ")]
    assert {line[1] for line in lines} >= {"doctor", "extract-library", "check-theorems", "serve", "eval", "finetune"}
    for _, name, *options in lines:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        command.make_context(name, [_there(*pair, tmp_path) for pair in pairwise([name, *options])])


def _there(before: str, option: str, folder: Path) -> str:
    """A file or folder that is there, in place of one that earlier stages would have made in ``folder``."""
    if not option.startswith(str(folder)) or before == "--output":
        return option
    if not option.endswith((".jsonl", ".parquet")):
        return str(folder)
    there = folder / f"there{Path(option).suffix}"
    there.touch()
    return str(there)
