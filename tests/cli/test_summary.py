from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Leanebm = Callable[..., Result]


@pytest.fixture
def run(leanebm_command: Leanebm, toy_lean: object) -> str:
    assert toy_lean is not None
    Path("theorems.txt").write_text("3\n31\n")
    options = ["--output", "run", "--budget", "2"]
    assert leanebm_command("search", "--theorems", "theorems.txt", *options).exit_code == 0
    return "run"


def test_json_has_the_promised_keys(leanebm_command: Leanebm, run: str) -> None:
    totals = json.loads(leanebm_command("summary", run, "--json").stdout)
    promised = {"attempted", "proved", "certified", "rejected", "infrastructure", "nodes", "tactic_calls", "wall_s"}
    assert promised <= totals.keys()
    assert totals["attempted"] == 2
    assert totals["certified"] == totals["proved"]
    endings = ("proved", "exhausted", "budget_spent", "rejected", "infrastructure")
    assert sum(totals[ending] for ending in endings) == totals["attempted"]


def test_folder_trajectory_and_shard_say_the_same(leanebm_command: Leanebm, run: str) -> None:
    [shard] = Path(run, "trajectory").glob("*.parquet")
    answers = {leanebm_command("summary", str(path), "--json").stdout for path in (run, Path(run, "trajectory"), shard)}
    assert len(answers) == 1


def test_a_person_is_told_in_words(leanebm_command: Leanebm, run: str) -> None:
    result = leanebm_command("summary", run)
    assert "of 2 theorems proved and certified" in result.stdout
    assert "a larger --budget may help" in result.stdout
    assert "tactics per proof" not in result.stdout


def test_smaller_budgets_and_depth_are_told(leanebm_command: Leanebm, run: str) -> None:
    assert run
    assert leanebm_command("search", "--theorems", "theorems.txt", "--output", "more", "--budget", "64").exit_code == 0
    said = leanebm_command("summary", "more").stdout
    assert "proved within so many expansions: 1: 0, 2: 0, 4: " in said
    assert "64: 2\n" in said
    assert "of 2 are one tactic" in said


def test_another_cost_is_counted_if_asked_for(leanebm_command: Leanebm, run: str) -> None:
    assert leanebm_command("search", "--theorems", "theorems.txt", "--output", "more", "--budget", "64").exit_code == 0
    asked = ("summary", "more", "--by", "policy-calls")
    assert "proved within so many policy calls: 1: 0, 2: 0, " in leanebm_command(*asked).stdout
    assert json.loads(leanebm_command(*asked, "--json").stdout)["curve"][-1][1] == 2
    assert "seconds per theorem: " in leanebm_command("summary", run).stdout


def test_no_trajectory_is_told_in_one_message(leanebm_command: Leanebm) -> None:
    result = leanebm_command("summary", "nowhere")
    assert result.exit_code == 2
    assert "'RUN': Path 'nowhere' does not exist" in result.stderr


def test_conjectures_are_told_by_family(leanebm_command: Leanebm, toy_lean: object) -> None:
    assert toy_lean is not None
    rows = [
        {"name": f"countdown_{'0123456789'[::step]}", "statement": str(number)} for step, number in ((1, 3), (-1, 31))
    ]
    Path("made.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert leanebm_command("search", "--theorems", "made.jsonl", "--output", "made", "--budget", "4").exit_code == 0
    lines = leanebm_command("summary", "made").stdout.splitlines()
    heading = next(number for number, line in enumerate(lines) if line.split()[:2] == ["family", "of"])
    assert lines[heading].split() == ["family", "of", "at", "1", "at", "2", "at", "4"]
    assert lines[heading + 1].split()[:2] == ["countdown", "2"]
