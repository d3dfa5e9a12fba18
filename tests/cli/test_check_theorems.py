from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from fake_worker import fake_worker_argv

from leanebm.core import Theorem
from leanebm.data import read_theorems

Leanebm = Callable[..., Result]


@pytest.fixture
def check(leanebm_command: Leanebm) -> Leanebm:
    """``check-theorems`` on a fake Lean, which does not accept what begins with ``bad``."""
    Path("fake.toml").write_text(f"[lean.backend]\nkind = 'command'\nargv = {json.dumps(fake_worker_argv())}\n")

    def run(*arguments: str) -> Result:
        return leanebm_command("check-theorems", *arguments, "--config", "fake.toml", "--num-workers", "1")

    return run


def test_statements_are_grouped_by_what_is_wrong_with_them(check: Leanebm) -> None:
    Path("some.txt").write_text("P\nbad P\nbad ℝ\n")
    result = check("some.txt")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["1", "good", "elaborate,"]
    assert lines[1].split()[:3] == ["1", "needs", "Mathlib"]
    assert "use what only Mathlib has, which this Lean does not: state the theorems over" in lines[1]
    assert lines[2].lstrip().startswith("line_3: needs Mathlib: ")
    assert lines[4].lstrip().startswith("line_2: ")


def test_all_good_is_status_0(check: Leanebm) -> None:
    Path("some.txt").write_text("P\nQ\n")
    result = check("some.txt", "--output", "good.jsonl")
    assert result.exit_code == 0
    assert [line.split()[:2] for line in result.stdout.splitlines()] == [["2", "good"]]
    assert read_theorems("good.jsonl") == read_theorems("some.txt")


def test_the_good_ones_are_written_and_what_was_left_out_is_told(check: Leanebm) -> None:
    Path("some.jsonl").write_text(
        '{"id": "a", "formal_statement": "theorem a (n : Nat) : P := by sorry", "split": "test"}\n'
        '{"id": "b", "formal_statement": "theorem b : bad P := by sorry", "split": "test"}\n'
        '{"id": "c", "formal_statement": "def c := 3", "split": "test"}\n'
        '{"id": "d", "formal_statement": "P", "split": "valid"}\n'
    )
    result = check("some.jsonl", "--split", "test", "--output", "good.jsonl")
    assert result.exit_code == 1
    assert read_theorems("good.jsonl") == (Theorem(name="a", statement="(n : Nat) : P"),)
    assert "the good ones (1) are written to good.jsonl" in result.stderr
    assert "statement from 'formal_statement', name from 'id', split from 'split'" in result.stderr
    unreadable = result.stdout.splitlines()[:2]
    assert unreadable[0].split()[:2] == ["1", "unreadable"]
    assert unreadable[1].endswith("@ some.jsonl:3")


def test_json_holds_every_finding(check: Leanebm) -> None:
    Path("some.txt").write_text("P\nbad P\n")
    answer = json.loads(check("some.txt", "--json").stdout)
    good, bad = answer["theorems"]
    assert good == {"name": "line_1", "statement": "P", "cause": "good", "message": "", "fingerprint": ""}
    assert bad["cause"] == "unknown name"
    assert bad["message"]
    assert answer["attempted"] == 2
    assert {cause: count for cause, count in answer["causes"].items() if count} == {"good": 1, "unknown name": 1}


def test_an_output_that_could_not_be_read_again_or_is_there_is_refused_before_any_work(check: Leanebm) -> None:
    Path("some.jsonl").write_text('{"statement": "P"}\n')
    for output, why in (("good.txt", "should end in .jsonl"), ("some.jsonl", "already exists: move it away")):
        result = check("some.jsonl", "--output", output)
        assert result.exit_code == 2
        assert f"{output} {why}" in result.stderr
        assert result.stdout == ""
