from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from leanebm.data.conjectures import ConjectureFactory
from leanebm.pipeline import AUTOMATION, ConjectureCounts, RunConfig

Leanebm = Callable[..., Result]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, ConjectureFactory, dict[str, Any]]]:
    """What was asked for, answered with counts."""
    asked: list[tuple[Path, ConjectureFactory, dict[str, Any]]] = []

    class Canned:
        def __init__(self, _: RunConfig, path: Path, factory: ConjectureFactory, **options: Any) -> None:
            asked.append((path, factory, options))

        async def run(self) -> ConjectureCounts:
            return ConjectureCounts(
                kept={"train": 8, "test": 2}, by_family={"order": 10}, drawn=17, dropped={"simp": 4, "grind": 3}
            )

    monkeypatch.setattr("leanebm.pipeline.ConjectureRun", Canned)
    return asked


def test_it_says_what_was_kept_and_what_proved_the_rest(leanebm_command: Leanebm, made: list[Any]) -> None:
    result = leanebm_command("conjecture", "--output", "out.parquet", "--number", "10", "--seed", "3")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "kept 10 of 17 statements (2 test, 8 train)",
        "by family: 10 order",
        "left out: 3 grind, 4 simp",
        "written to out.parquet",
    ]
    ((path, factory, options),) = made
    assert path == Path("out.parquet")
    assert factory.seed == 3
    assert (options["number"], options["unseen"], options["tactics"]) == (10, 500, AUTOMATION)
    assert options["provenance"] == {"command": "leanebm conjecture --output out.parquet --number 10 --seed 3"}


def test_families_and_difficulties_are_chosen(leanebm_command: Leanebm, made: list[Any]) -> None:
    chosen = ["--family", "order", "--family", "first_order", "--hold-out", "first_order", "--difficulty", "2"]
    assert leanebm_command("conjecture", "--output", "out.parquet", *chosen).exit_code == 0
    ((_, factory, _),) = made
    assert factory.names == ("order", "first_order")
    assert factory.held_out == {"first_order"}
    assert factory.difficulties == (2,)


def test_a_set_for_searches_without_automation_drops_nothing(leanebm_command: Leanebm, made: list[Any]) -> None:
    assert leanebm_command("conjecture", "--output", "o.parquet", "--keep-all", "--per-skeleton", "1").exit_code == 0
    ((_, factory, options),) = made
    assert options["tactics"] == ()
    assert factory.per_skeleton == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--family", "geometry"], "there is no family geometry"),
        (["--hold-out", "geometry"], "there is no family geometry"),
        (["--difficulty", "5"], "difficulties are 1 to 4"),
    ],
)
def test_what_there_is_not_is_told(leanebm_command: Leanebm, made: list[Any], wrong: list[str], told: str) -> None:
    result = leanebm_command("conjecture", "--output", "out.parquet", *wrong)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not made


def test_a_set_that_is_there_is_not_overwritten(leanebm_command: Leanebm, made: list[Any]) -> None:
    Path("out.parquet").write_bytes(b"mine")
    result = leanebm_command("conjecture", "--output", "out.parquet")
    assert result.exit_code == 2
    assert "out.parquet already exists: move it away" in result.stderr
    assert not made


def test_a_set_is_parquet(leanebm_command: Leanebm, made: list[Any]) -> None:
    result = leanebm_command("conjecture", "--output", "out.txt")
    assert result.exit_code == 2
    assert "out.txt should end in .parquet" in result.stderr
    assert not made
