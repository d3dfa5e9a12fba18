from __future__ import annotations

from collections.abc import Callable

import click
import pytest
from click.testing import Result

from leanebm.cli import main

Leanebm = Callable[..., Result]

COMMANDS = ["certify", "demo", "doctor", "extract-library", "probe", "prove", "search", "serve", "summary"]


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
