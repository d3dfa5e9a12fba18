from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from leanebm.errors import TrajectoryError

Leanebm = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("toy_lean")


def test_a_proof_is_printed_with_its_axioms_and_no_file_is_left(leanebm_command: Leanebm) -> None:
    result = leanebm_command("prove", "6", "--name", "six")
    assert result.exit_code == 0
    assert "theorem six : 6 := by" in result.stdout
    assert "axioms: none" in result.stdout
    assert "written" not in result.stdout
    assert list(Path().iterdir()) == []
    assert json.loads(leanebm_command("prove", "6", "--json").stdout)["file"] is None


def test_a_proof_is_written_where_that_is_asked_for(leanebm_command: Leanebm) -> None:
    result = leanebm_command("prove", "6", "--name", "six", "--output", "proofs")
    assert "theorem six : 6 := by" in result.stdout
    assert "written to proofs/six.lean" in result.stdout
    assert Path("proofs/six.lean").read_text().startswith("theorem six")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_proof_that_cannot_be_written_is_printed_all_the_same(
    leanebm_command: Leanebm, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    def full(*_: object) -> None:
        raise TrajectoryError("proofs/six.lean could not be written: No space left on device")

    monkeypatch.setattr("leanebm.pipeline.write_proof", full)
    result = leanebm_command("prove", "6", "--name", "six", "--output", "proofs", *options)
    assert result.exit_code == 3
    assert "No space left on device" in result.stderr
    assert "theorem six : 6 := by" in (json.loads(result.stdout)["source"] if options else result.stdout)
    assert "written" not in result.stdout


def test_given_tactics_are_replayed(leanebm_command: Leanebm) -> None:
    result = leanebm_command("prove", "2", "--tactic", "halve", "--tactic", "done")
    assert result.exit_code == 0
    assert "  halve\n  done\n" in result.stdout


def test_only_a_certified_proof_exits_with_zero(leanebm_command: Leanebm) -> None:
    result = leanebm_command("prove", "2", "--tactic", "halve")
    assert result.exit_code == 1
    assert "goals are left" in result.stdout
    assert leanebm_command("prove", "2", "--tactic", "halve", "--output", "proofs").exit_code == 1
    assert not Path("proofs").exists()
    assert leanebm_command("prove", "31", "--budget", "1").exit_code == 1


def test_json_holds_everything_and_nothing_else_is_printed(leanebm_command: Leanebm) -> None:
    result = leanebm_command("prove", "4", "--json", "--output", "here")
    answer = json.loads(result.stdout)
    assert answer["certified"] is True
    assert answer["outcome"] == "proved"
    assert Path(answer["file"]).read_text() == answer["source"]
    assert answer["axioms"] == []
    failed = json.loads(leanebm_command("prove", "4", "--json", "--tactic", "jump").stdout)
    assert (failed["certified"], failed["outcome"]) == (False, "incomplete")


def test_a_statement_that_is_none_is_bad_input(leanebm_command: Leanebm) -> None:
    result = leanebm_command("prove", "99")
    assert result.exit_code == 2
    assert "no state" in result.stderr


def test_every_wrong_option_is_told_at_once(leanebm_command: Leanebm) -> None:
    result = leanebm_command("prove", "4", "--budget", "0", "--server-url", "nowhere", "--num-workers", "0")
    assert result.exit_code == 2
    assert all(f"@ {option}" in result.stderr for option in ("--budget", "--server-url", "--num-workers"))


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [("--name", " ", "a theorem needs a name"), ("--header", "def x := 1", "the header line 'def x := 1' is not")],
)
def test_a_bad_name_or_header_is_bad_input(leanebm_command: Leanebm, option: str, value: str, why: str) -> None:
    result = leanebm_command("prove", "4", option, value)
    assert result.exit_code == 2
    assert why in result.stderr
