from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from fake_worker import fake_worker_argv

from leanebm.pipeline import record_path

Leanebm = Callable[..., Result]


@pytest.fixture
def certify(leanebm_command: Leanebm) -> Leanebm:
    """``certify("good", …)`` of proof files, on a fake Lean that wants a proof to end with ``done``."""
    Path("good.lean").write_text("import Init\n\ntheorem leanebm_good : P := by\n  done\n")
    Path("bad.lean").write_text("import Init\n\ntheorem leanebm_bad : P := by\n  step\n")
    Path("fake.toml").write_text(f"[lean.backend]\nkind = 'command'\nargv = {json.dumps(fake_worker_argv())}\n")

    def call(*names: str, json: bool = False) -> Result:
        files = [f"{name}.lean" for name in names]
        return leanebm_command("certify", *files, "--config", "fake.toml", *(["--json"] if json else []))

    return call


def test_a_certified_file_is_shown_with_its_statement_and_axioms(certify: Leanebm) -> None:
    result = certify("good")
    assert result.exit_code == 0
    told = (
        "certified good.lean (not recorded; Lean 4.0.0-fake, command) P axioms: propext "
        "vouched for by a program of the user's own"
    )
    assert " ".join(result.stdout.split()) == told


def test_one_rejected_file_is_enough_to_fail(certify: Leanebm) -> None:
    result = certify("good", "bad")
    assert result.exit_code == 1
    assert "rejected   bad.lean" in result.stdout
    assert "elaboration: unsolved goals" in result.stdout


def test_json_holds_the_same(certify: Leanebm) -> None:
    good, bad = json.loads(certify("good", "bad", json=True).stdout)
    assert (good["file"], good["certified"], good["axioms"]) == ("good.lean", True, ["propext"])
    assert good["source_sha256"] == hashlib.sha256(Path("good.lean").read_bytes()).hexdigest()
    assert (bad["certified"], bad["reason"]) == (False, "elaboration")


def test_files_that_cannot_be_read_are_bad_input_and_stop_no_other(certify: Leanebm) -> None:
    Path("other.lean").write_text("def x := 1\n")
    os.mkfifo("pipe.lean")
    result = certify("other", "missing", "pipe", "good", "bad")
    assert result.exit_code == 2
    verdicts = [line.split("  ")[0] for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert verdicts == ["unchecked", "unchecked", "unchecked", "certified", "rejected"]
    assert "it is a pipe, and only regular files are read" in result.stdout
    told = json.loads(certify("pipe", "good", json=True).stdout)
    assert [(each["file"], each["certified"]) for each in told] == [("pipe.lean", False), ("good.lean", True)]
    assert told[0]["reason"] == "unchecked"


def test_a_lean_that_does_not_start_is_no_verdict_on_the_file(certify: Leanebm) -> None:
    certify("good")
    Path("fake.toml").write_text("[lean.backend]\nkind = 'command'\nargv = ['/no/such/lean']\n")
    result = certify("good")
    assert result.exit_code == 3
    assert result.stdout.startswith("unchecked  good.lean")


def test_a_record_that_names_another_lean_is_not_shown_as_confirmed(certify: Leanebm, leanebm_command: Leanebm) -> None:
    prove = ("prove", "P", "--tactic", "done", "--name", "t", "--output", "proofs", "--config", "fake.toml")
    certify("good")
    assert leanebm_command(*prove).exit_code == 0
    assert "t.lean (as recorded;" in certify("proofs/t").stdout
    record = record_path("proofs/t.lean")
    told = json.loads(record.read_text())
    assert told["vouched_for_by"] == "a program of the user's own"
    record.write_text(json.dumps(told | {"backend": "native", "axioms": []}))
    shown = certify("proofs/t").stdout
    assert "as recorded" not in shown
    assert "recorded, but not found here: backend 'native'; axioms ()" in shown
    (as_json,) = json.loads(certify("proofs/t", json=True).stdout)
    assert (as_json["recorded"], as_json["unconfirmed"]) == (True, ["backend 'native'", "axioms ()"])


def test_what_a_file_says_cannot_draw_a_verdict(certify: Leanebm) -> None:
    Path("evil.lean").write_text("theorem leanebm_evil : ∀ p\x1bc\x9b2J\u202e : Prop, p := by\n  step\n")
    for result in (certify("evil"), certify("evil", json=True)):
        assert result.exit_code == 1
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", result.output)
    [verdict] = [line for line in certify("evil").stdout.splitlines() if not line.startswith(" ")]
    assert verdict.startswith("rejected   evil.lean")


def test_a_folder_stands_for_the_proofs_in_it(certify: Leanebm, leanebm_command: Leanebm) -> None:
    assert certify("good").exit_code == 0
    result = leanebm_command("certify", ".", "--config", "fake.toml")
    assert result.exit_code == 1
    assert [line.split()[:2] for line in result.stdout.splitlines() if line[:1].strip()] == [
        ["rejected", "bad.lean"],
        ["certified", "good.lean"],
    ]
    Path("empty").mkdir()
    assert "there is no proof in empty" in leanebm_command("certify", "empty").stderr
