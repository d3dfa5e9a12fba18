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
from leanebm.testing import QED, ToyWorld

from ..pipeline.fill.toy_files import ToyFiles

Leanebm = Callable[..., Result]


@pytest.fixture
def world() -> ToyWorld:
    return ToyWorld.countdown(32)


@pytest.fixture
def fill(
    leanebm_command: Leanebm,
    toy_bench: Callable[..., WorkbenchOpener],
    world: ToyWorld,
    monkeypatch: pytest.MonkeyPatch,
) -> Leanebm:
    """``fill("good.lean", …)`` of files of the world."""

    @asynccontextmanager
    async def opening(config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
        async with toy_bench(world)(config, observer) as bench:
            yield attrs.evolve(bench, files=ToyFiles(world))

    monkeypatch.setattr("leanebm.pipeline.FillRun", functools.partial(FillRun, opening=opening))
    Path("good.lean").write_text("theorem a : 1 := by sorry\n")
    Path("part.lean").write_text("theorem a : 1 := by sorry\ntheorem b : -2 := by sorry\ndef c := sorry\n")
    Path("none.lean").write_text("theorem a : 1 := by done\n")
    Path("wrong.lean").write_text("theorem wrong\n")

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
    assert "good.filled.lean already exists" in result.stdout


def test_a_file_is_filled_in_place_if_one_wants_that(fill: Leanebm) -> None:
    assert fill("good.lean", "--in-place").exit_code == 0
    assert Path("good.lean").read_text() == "theorem a : 1 := by done\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("good.lean", "--in-place", "--output", "x.lean"), "give --in-place or --output, not both"),
        (("good.lean", "part.lean", "--output", "x.lean"), "is for one file"),
    ],
)
def test_options_that_exclude_each_other(fill: Leanebm, arguments: tuple[str, ...], why: str) -> None:
    result = fill(*arguments)
    assert result.exit_code == 2
    assert why in result.stderr
    assert not Path("x.lean").exists()


def test_a_message_cannot_draw_a_verdict(fill: Leanebm) -> None:
    forged = "written to evil.filled.lean"
    Path("evil.lean").write_text(f"theorem wrong\n{forged}\n")
    result = fill("evil.lean")
    assert result.exit_code == 2
    assert forged in result.stdout
    assert forged not in result.stdout.splitlines()


@pytest.mark.parametrize("world", [ToyWorld(moves={"evil": {"done -- \x1bc\u202e": QED}})])
def test_a_proof_cannot_draw_on_the_screen(fill: Leanebm) -> None:
    Path("evil.lean").write_text("theorem a : evil := by sorry\n")
    result = fill("evil.lean")
    assert result.exit_code == 0
    assert "1:24 done -- " in result.stdout
    assert not {"\x1b", "\u202e"} & set(result.output)
