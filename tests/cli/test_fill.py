from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
from click.testing import Result

from leanebm.pipeline import FillRun, Observer, RunConfig, Workbench, WorkbenchOpener
from leanebm.testing import ToyWorld

from ..pipeline.fill.toy_files import ToyFiles

Leanebm = Callable[..., Result]


@pytest.fixture
def fill(
    leanebm_command: Leanebm, toy_bench: Callable[..., WorkbenchOpener], monkeypatch: pytest.MonkeyPatch
) -> Leanebm:
    """``fill("good", …)`` of files of the countdown world."""
    world = ToyWorld.countdown(32)

    @asynccontextmanager
    async def opening(config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
        async with toy_bench(world)(config, observer) as bench:
            yield attrs.evolve(bench, files=ToyFiles(world))

    monkeypatch.setattr("leanebm.pipeline.FillRun", functools.partial(FillRun, opening=opening))
    Path("good.lean").write_text("theorem a : 1 := by sorry\n")
    Path("part.lean").write_text("theorem a : 1 := by sorry\ntheorem b : -2 := by sorry\ndef c := sorry\n")
    Path("none.lean").write_text("theorem a : 1 := by done\n")
    Path("wrong.lean").write_text("wrong\n")

    def call(*arguments: str) -> Result:
        return leanebm_command("fill", *arguments)

    return call


def test_a_filled_file_is_written_and_told(fill: Leanebm) -> None:
    result = fill("good.lean")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "good.lean: 1 of 1 sorries filled, 1 of 1 theorems certified",
        "  certified: a (line 1); axioms: none; vouched for by a program of the user's own",
        "    1:21 done",
        "written to good.filled.lean",
    ]
    assert Path("good.filled.lean").read_text() == "theorem a : 1 := by done\n"


def test_what_is_left_is_told_and_fails(fill: Leanebm) -> None:
    result = fill("part.lean")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == "part.lean: 1 of 3 sorries filled, 1 of 2 theorems certified"
    assert "  not certified: b (line 2): 1 sorry left" in lines
    assert "  3:10 not filled: it stands in no theorem" in lines
    assert Path("part.filled.lean").read_text().count("sorry") == 2


def test_a_file_without_sorry_is_fine(fill: Leanebm) -> None:
    result = fill("none.lean")
    assert (result.exit_code, Path("none.filled.lean").exists()) == (0, False)
    assert "no sorry in it" in result.stdout


def test_one_bad_file_stops_no_other(fill: Leanebm) -> None:
    result = fill("missing.lean", "wrong.lean", "good.lean")
    assert result.exit_code == 2
    assert "cannot read missing.lean" in result.stdout
    assert "1:1: something is wrong" in result.stdout
    assert "written to good.filled.lean" in result.stdout


def test_json_holds_the_same(fill: Leanebm) -> None:
    good, part = json.loads(fill("good.lean", "part.lean", "--json").stdout)
    assert (good["complete"], good["output"]) == (True, "good.filled.lean")
    assert good["theorems"][0]["sorries"] == [{"line": 1, "column": 21, "proof": "done", "reason": ""}]
    assert [theorem["certified"] for theorem in part["theorems"]] == [True, False]
    assert part["others"][0]["line"] == 3


def test_a_second_time_nothing_is_written_over(fill: Leanebm) -> None:
    assert fill("good.lean").exit_code == 0
    result = fill("good.lean")
    assert result.exit_code == 2
    assert "good.filled.lean is there already" in result.stdout


def test_a_file_is_filled_in_place_if_one_wants_that(fill: Leanebm) -> None:
    assert fill("good.lean", "--in-place").exit_code == 0
    assert Path("good.lean").read_text() == "theorem a : 1 := by done\n"


@pytest.mark.parametrize(
    "arguments", [("good.lean", "--in-place", "--output", "x.lean"), ("good.lean", "part.lean", "--output", "x.lean")]
)
def test_options_that_exclude_each_other(fill: Leanebm, arguments: tuple[str, ...]) -> None:
    assert fill(*arguments).exit_code == 2
    assert not Path("x.lean").exists()


def test_a_proof_cannot_draw_a_verdict(fill: Leanebm) -> None:
    Path("evil.lean").write_text("theorem a : 1 := by sorry\n\x1b[31mwrong")
    result = fill("evil.lean")
    assert result.exit_code == 2
    assert "\x1b" not in result.stdout
