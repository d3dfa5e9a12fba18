from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import leanebm.cli.demo
from leanebm.core import Theorem
from leanebm.data import Level, bundled_set
from leanebm.testing import ToyWorld

Leanebm = Callable[..., Result]


@pytest.fixture(autouse=True)
def _bundled_numbers(monkeypatch: pytest.MonkeyPatch, toy_lean: ToyWorld) -> None:
    """The demo's theorems keep their names and levels, and state numbers of the toy world."""
    assert toy_lean.moves

    def load(_: str, *, max_theorems: int | None, sample: int | None = None, **reading: object) -> list[Theorem]:
        assert sample is None
        assert reading.keys() <= {"reading", "imports", "tell"}, "a bundled theorem is read in one way"
        return [Theorem(name=entry.theorem.name, statement="6") for entry in bundled_set()][:max_theorems]

    monkeypatch.setattr("leanebm.pipeline.load_theorems", load)


def test_it_proves_and_says_how_much_of_each_level_and_how_long(leanebm_command: Leanebm) -> None:
    result = leanebm_command("demo", "--max-theorems", "5")
    assert result.exit_code == 0
    assert "Proving 5 bundled theorems with the embedded Lean." in result.stderr
    assert "2 are searched at a time, none for longer than 15 s." in result.stderr
    assert "5 of 5 theorems proved and certified" in result.stdout
    assert f"by level: {Level.TRIVIAL} 5 of 5" in result.stdout
    assert "Everything together took" in result.stderr


def test_a_second_demo_leaves_the_first_ones_folder_alone(leanebm_command: Leanebm) -> None:
    for _ in range(3):
        assert leanebm_command("demo", "--max-theorems", "1").exit_code == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["demo", "demo-2", "demo-3"]


def test_its_settings_let_a_stopped_demo_be_resumed(leanebm_command: Leanebm, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    run_search = vars(leanebm.cli.demo)["run_search"]

    def listening(*arguments: Any, how_to_resume: str, **more: Any) -> None:
        told.append(how_to_resume)
        run_search(*arguments, how_to_resume=how_to_resume, **more)

    monkeypatch.setattr(leanebm.cli.demo, "run_search", listening)
    assert leanebm_command("demo", "--max-theorems", "2").exit_code == 0
    words = shlex.split(told[0])
    resumed = leanebm_command(*words[1:])
    assert resumed.exit_code == 0
    assert "searching nothing more: all is done" in resumed.stderr
