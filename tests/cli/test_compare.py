from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from click.testing import Result
from rich.console import Console

from leanebm.cli._options import _COSTS
from leanebm.cli.compare import print_comparison
from leanebm.pipeline import BudgetComparison, Interval, RunComparison
from leanebm.trajectory import Cost

Leanebm = Callable[..., Result]


@pytest.fixture
def runs(leanebm_command: Leanebm, toy_lean: object) -> tuple[str, str]:
    assert toy_lean is not None
    Path("theorems.txt").write_text("3\n31\n7\n")
    for folder, scorer in (("plain", "length_normalised"), ("broad", "breadth_first")):
        options = ["--output", folder, "--budget", "8", "--scorer", scorer]
        assert leanebm_command("search", "--theorems", "theorems.txt", *options).exit_code == 0
    return "plain", "broad"


def test_a_person_sees_both_runs_and_what_differs(leanebm_command: Leanebm, runs: tuple[str, str]) -> None:
    result = leanebm_command("compare", runs[0], runs[1])
    assert result.exit_code == 0
    assert "broad beside plain" in result.stdout
    assert "--scorer kind: 'breadth_first', not 'length_normalised'" in result.stdout
    assert "3 theorems; area under the curve" in result.stdout
    assert [line.split()[0] for line in result.stdout.splitlines() if line.strip()[:1].isdigit()][:4] == [
        "1",
        "2",
        "4",
        "8",
    ]


def test_the_table_fits_into_80_columns() -> None:
    gain = Interval(value=-0.4, low=-0.6, high=-0.2)
    row = BudgetComparison(
        budget=12345, baseline=10000, experiment=0, only_baseline=10000, only_experiment=0, gain=gain
    )
    small_p = attrs.evolve(row, only_baseline=1, only_experiment=17)
    comparison = RunComparison(
        baseline=Path("a"), experiment=Path("b"), differences=(), cost=Cost.POLICY_CALLS, theorems=10000, left_out=(),
        budgets=(row, small_p, attrs.evolve(row, only_baseline=60, only_experiment=10)), area=gain, only_baseline=(),
        only_experiment=(), depths=(),
    )  # fmt: skip
    console = Console(file=io.StringIO(), width=80)
    print_comparison(console, comparison)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert text.count("-40.0 (-60.0, -20.0)") == 3
    assert "…" not in text
    assert "0.00014" in text
    headings = [line.split() for line in text.splitlines()[1:3]]
    assert headings[0] == ["policy", "baseline", "experiment"]
    assert headings[1][:6] == ["calls", "baseline", "experiment", "only", "only", "p"]


def test_a_long_name_of_an_arm_is_broken_and_not_cut_off() -> None:
    nothing = Interval(value=0.0, low=0.0, high=0.0)
    comparison = RunComparison(
        baseline=Path("arms/plain"), experiment=Path("arms/length_normalised"), differences=(), cost=Cost.EXPANSIONS,
        theorems=1, left_out=(), budgets=(), area=nothing, only_baseline=(), only_experiment=(), depths=(),
    )  # fmt: skip
    console = Console(file=io.StringIO(), width=80)
    print_comparison(console, comparison, arms=True)
    assert isinstance(console.file, io.StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert lines[:3] == [["length_normalised", "beside", "plain"], ["length_nor"], ["length_nor", "malised"]]
    assert lines[3] == ["expansions", "plain", "malised", "plain", "only", "only", "p", "gain", "in", "points"]


def test_json_lists_each_experiment(leanebm_command: Leanebm, runs: tuple[str, str]) -> None:
    found = json.loads(leanebm_command("compare", runs[0], runs[1], runs[0], "--json").stdout)
    assert [comparison["experiment"] for comparison in found] == [runs[1], runs[0]]
    assert found[1]["area"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_budgets_and_costs_are_chosen(leanebm_command: Leanebm, runs: tuple[str, str]) -> None:
    options = ["--budgets", "2,6", "--by", "tactic-calls", "--json"]
    [found] = json.loads(leanebm_command("compare", *runs, *options).stdout)
    assert found["cost"] == "tactic_calls"
    assert [row["budget"] for row in found["budgets"]] == [2, 6]
    result = leanebm_command("compare", *runs, "--budgets", "2;6")
    assert result.exit_code == 2
    assert "'2;6' is not a list of numbers" in result.stderr


def test_a_page_is_written(leanebm_command: Leanebm, runs: tuple[str, str]) -> None:
    pytest.importorskip("jinja2")
    assert leanebm_command("compare", *runs, "--html", "page.html").exit_code == 0
    assert "<svg" in Path("page.html").read_text()
    refused = leanebm_command("compare", *runs, "--html", "page.html")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "page.html already exists: add --overwrite to write over it, or name another file @ --html" in refused.stderr
    assert leanebm_command("compare", *runs, "--html", "page.html", "--overwrite").exit_code == 0


def test_runs_of_other_theorems_are_refused(leanebm_command: Leanebm, runs: tuple[str, str]) -> None:
    Path("fewer.txt").write_text("3\n")
    assert leanebm_command("search", "--theorems", "fewer.txt", "--output", "fewer", "--budget", "8").exit_code == 0
    result = leanebm_command("compare", runs[0], "fewer")
    assert result.exit_code == 2
    assert "only the baseline searched" in result.stderr


def test_settings_that_must_agree_are_named_as_the_user_gave_them(
    leanebm_command: Leanebm, runs: tuple[str, str]
) -> None:
    Path("own.toml").write_text("[search.budget]\nmax_tactic_calls = 50\n")
    options = ["--output", "other", "--budget", "4", "--config", "own.toml"]
    assert leanebm_command("search", "--theorems", "theorems.txt", *options).exit_code == 0
    result = leanebm_command("compare", runs[0], "other")
    assert result.exit_code == 2
    assert "  - --budget: 4, not 8\n" in result.stderr
    assert "  - search.budget.max_tactic_calls: 50, not " in result.stderr


def test_its_costs_are_all_there_are() -> None:
    assert set(_COSTS.values()) == set(Cost)


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_compared(
    leanebm_command: Leanebm, runs: tuple[str, str]
) -> None:
    result = leanebm_command("compare", *runs, "--html", "theorems.txt/page.html")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "theorems.txt is not a folder; choose another place" in result.stderr
