"""What the commands' tests share: a way to call one, with a toy world in place of Lean."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from leanebm.cli import main
from leanebm.lean import EmbeddedBackend
from leanebm.pipeline import ProofRun, SearchRun, WorkbenchOpener
from leanebm.testing import ToyWorld

Leanebm = Callable[..., Result]
ToyBench = Callable[..., WorkbenchOpener]


@pytest.fixture
def theorems(tmp_path: Path) -> str:
    """A file of three theorems of the toy world."""
    path = tmp_path / "theorems.txt"
    path.write_text("3\n8\n31\n")
    return str(path)


@pytest.fixture
def leanebm_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Leanebm:
    """``leanebm_command("summary", "--json")``, run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("leanebm.lean.config.best_backend", EmbeddedBackend)

    def call(*arguments: str) -> Result:
        result = CliRunner(env={"COLUMNS": "200"}).invoke(main, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def toy_lean(monkeypatch: pytest.MonkeyPatch, toy_bench: ToyBench) -> ToyWorld:
    """Lets commands search the countdown world, whose theorems are numbers."""
    world = ToyWorld.countdown(32)
    opening = toy_bench(world)
    monkeypatch.setattr("leanebm.pipeline.SearchRun", functools.partial(SearchRun, opening=opening))
    monkeypatch.setattr("leanebm.pipeline.ProofRun", functools.partial(ProofRun, opening=opening))
    return world


@pytest.fixture(params=["leanebm.scorers", "leanebm.searches", "leanebm.policies"])
def registered(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed package registers a part in this group, whose module is not there."""
    installed = tmp_path / "installed" / "ladder_parts-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: ladder-parts\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[{request.param}]\nladder = no_such_module:Ladder\n")
    monkeypatch.syspath_prepend(installed.parent)
    return str(request.param)
