from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable

import click
import pytest
from click.testing import Result

from leanebm.cli import main
from leanebm.cli.main import _StandardErrorHandler

Leanebm = Callable[..., Result]

COMMANDS = [
    "certify",
    "demo",
    "doctor",
    "ebm-report",
    "export-pairs",
    "extract-library",
    "generate-negatives",
    "probe",
    "prove",
    "search",
    "serve",
    "summary",
    "train-ebm",
]


def test_the_commands_are_these(leanebm_command: Leanebm) -> None:
    assert sorted(main.commands) == COMMANDS
    result = leanebm_command("--help")
    assert result.exit_code == 0
    assert all(command in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_explains_itself(leanebm_command: Leanebm, name: str) -> None:
    command = main.commands[name]
    assert command.help
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or parameter.help
    assert leanebm_command(name, "--help").exit_code == 0


def test_the_version_is_told(leanebm_command: Leanebm) -> None:
    assert "version" in leanebm_command("--version").stdout


def test_warnings_go_to_what_is_standard_error_at_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = _StandardErrorHandler()
    for _ in range(2):
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        handler.emit(logging.makeLogRecord({"msg": "careful"}))
        assert stream.getvalue() == "careful\n"
