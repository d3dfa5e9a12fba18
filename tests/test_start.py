"""How the command begins: the function that the installed script and ``python -m leanebm`` call."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


class _Interrupted(ModuleType):
    """A module during whose loading Ctrl-C is pressed."""

    def __getattr__(self, name: str) -> object:
        raise KeyboardInterrupt


def test_ctrl_c_while_the_command_is_loading_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pkgutil.resolve_name(PROJECT["scripts"]["leanebm"])
    monkeypatch.setitem(sys.modules, "leanebm.cli", _Interrupted("leanebm.cli"))
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "")


def test_what_was_loaded_is_not_searched_for_garbage_at_the_end() -> None:
    last = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 0))"
    code = f"{last}; from leanebm.__main__ import run; run()"
    done = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["True"]


def test_the_script_runs_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["leanebm", "parts", "nonsense"])
    with pytest.raises(SystemExit) as ended:
        pkgutil.resolve_name(PROJECT["scripts"]["leanebm"])()
    assert ended.value.code == 2
    assert "nonsense" in capsys.readouterr().err
