from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import leanebm.cli
from leanebm.cli._echo import echo, echo_json

EVIL = "rfl -- \x1b]0;owned\x07\x9b2J\u202e"


def test_a_line_steers_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    echo(EVIL)
    echo(EVIL, err=True, nl=False)
    captured = capfd.readouterr()
    assert captured.out == "rfl -- \\u001b]0;owned\\u0007\\u009b2J\\u202e\n"
    assert captured.err == captured.out.rstrip("\n")


def test_json_steers_no_terminal_and_is_the_same_value(capfd: pytest.CaptureFixture[str]) -> None:
    echo_json({"tactic": EVIL, "∀": 1})
    out = capfd.readouterr().out
    assert json.loads(out) == {"tactic": EVIL, "∀": 1}
    assert "∀" in out
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out)


def test_no_command_prints_past_it() -> None:
    folder = Path(leanebm.cli.__file__).parent
    past = re.compile(r"\bclick\.(echo|secho)\(|(?<![\w.])(?<!def )(print|Console)\(|\bsys\.std(out|err)\.write")
    found = {file.name: past.findall(file.read_text()) for file in folder.glob("*.py") if past.search(file.read_text())}
    assert set(found) == {"_echo.py"}
