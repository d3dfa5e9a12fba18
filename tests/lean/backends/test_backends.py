from __future__ import annotations

from pathlib import Path

import pytest

from leanebm.errors import ConfigError, LeanInstallError
from leanebm.lean import CommandBackend, Dialect, EmbeddedBackend, NativeBackend, PantographBackend
from leanebm.lean.backends.pantograph import LEAN_OF_PANTOGRAPH
from leanebm.lean.embedded.download import load_pins


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose PATH is this folder; what it does not hold does not exist."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _program(path: Path, script: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_worker_is_not_given_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEANEBM_API_KEY", "secret")
    command = CommandBackend(argv=("repl",), env={"LEAN_PATH": "lib"}).prepare(["Init"])
    assert "LEANEBM_API_KEY" not in command.env
    assert command.env["LEAN_PATH"] == "lib"
    assert command.argv == ("repl", "Init")


def test_native_runs_the_shipped_source(machine: Path) -> None:
    lean = _program(machine / "lean")
    command = NativeBackend().prepare(["Init", "Std"])
    assert command.argv[:2] == (str(lean), "--run")
    assert Path(command.argv[2]).name == "Repl.lean"
    assert Path(command.argv[2]).is_file()
    assert command.argv[3:] == ("Init", "Std")
    assert command.env["LEAN_ABORT_ON_PANIC"] == "1"


def test_native_in_a_project_goes_through_lake(machine: Path) -> None:
    lake = _program(machine / "lake")
    project = machine / "project"
    project.mkdir()
    with pytest.raises(LeanInstallError, match="not a Lake project"):
        NativeBackend(project=project).prepare(["Mathlib"])
    (project / "lakefile.toml").touch()
    command = NativeBackend(project=project).prepare(["Mathlib"])
    assert command.argv[:4] == (str(lake), "env", "lean", "--run")
    assert command.cwd == project


@pytest.mark.parametrize("project", [None, Path()])
def test_native_without_a_toolchain_says_what_to_install(machine: Path, project: Path | None) -> None:
    assert not list(machine.iterdir())
    with pytest.raises(LeanInstallError, match="elan"):
        NativeBackend(project=project).prepare(["Init"])


@pytest.mark.lean
@pytest.mark.usefixtures("embedded_lean")
def test_the_embedded_lean_names_modules_that_it_has_not() -> None:
    assert EmbeddedBackend().prepare(["Init", "Std", "Lean.Elab.Tactic"]).argv[-1] == "Lean.Elab.Tactic"
    with pytest.raises(ConfigError, match=r"no module Mathlib, Lean\.Foo: .* choose it with --lean"):
        EmbeddedBackend().prepare(["Init", "Mathlib", "Lean.Foo"])


def test_pantograph_runs_where_its_toolchain_is_chosen(machine: Path) -> None:
    binary = _program(machine / "Pantograph/.lake/build/bin/repl")
    command = PantographBackend(binary=binary).prepare(["Init"])
    assert command.argv == (str(binary), "Init")
    assert command.cwd == machine / "Pantograph"
    assert command.dialect is Dialect.PANTOGRAPH


def test_pantograph_gets_the_projects_search_path(machine: Path) -> None:
    binary = _program(machine / "repl")
    _program(machine / "lake", 'echo "info: a word of Lake"; LEAN_PATH=lib/a:lib/b; eval "$4"')
    command = PantographBackend(binary=binary, project=machine).prepare(["Mathlib"])
    assert command.env["LEAN_PATH"] == "lib/a:lib/b"
    assert command.cwd == machine


def _pantograph(machine: Path, pinned: str | None = None, version: str = "") -> Path:
    """A binary in its checkout, or a bare one that says its version."""
    if pinned is None:
        return _program(machine / "repl", f"echo {version}")
    binary = _program(machine / "Pantograph/.lake/build/bin/repl")
    (machine / "Pantograph/lean-toolchain").write_text(pinned)
    return binary


@pytest.mark.parametrize(
    ("pinned", "version", "lean"),
    [
        ("leanprover/lean4:v4.26.0\n", "", "4.26.0"),
        ("v4.29.0-rc2", "", "4.29.0-rc2"),
        (None, "0.3.12", "4.26.0"),
        (None, "0.3.99", ""),
    ],
)
def test_pantographs_lean_is_known_by_its_checkout_or_its_version(
    machine: Path, pinned: str | None, version: str, lean: str
) -> None:
    command = PantographBackend(binary=_pantograph(machine, pinned, version)).prepare(["Init"])
    assert command.lean_version == lean


@pytest.mark.parametrize(
    ("project", "advice"),
    [
        ("4.29.1", r"asks for Lean 4\.29\.1.*Build Pantograph 0\.3\.15"),
        ("4.31.0", r"Build a Pantograph of Lean 4\.31\.0"),
    ],
)
def test_a_project_of_another_lean_is_refused_before_anything_starts(machine: Path, project: str, advice: str) -> None:
    (machine / "lean-toolchain").write_text(f"leanprover/lean4:v{project}\n")
    with pytest.raises(LeanInstallError, match=rf"built with Lean 4\.26\.0, and .*{advice}"):
        PantographBackend(binary=_pantograph(machine, "v4.26.0"), project=machine).prepare(["Mathlib"])


def test_the_versions_of_pantograph_hold_both_pins() -> None:
    pins = load_pins()
    for pin in (pins["pantograph"], pins["pantograph-for-lean-4_29"]):
        assert LEAN_OF_PANTOGRAPH[str(pin["version"])] == pin["lean"]


def test_a_failing_lake_is_an_install_error(machine: Path) -> None:
    binary = _program(machine / "repl")
    with pytest.raises(LeanInstallError, match="lake"):
        PantographBackend(binary=binary, project=machine).prepare(["Mathlib"])
    _program(machine / "lake", "exit 1")
    with pytest.raises(LeanInstallError, match="lake build"):
        PantographBackend(binary=binary, project=machine).prepare(["Mathlib"])


def test_a_missing_pantograph_is_an_install_error(machine: Path) -> None:
    with pytest.raises(LeanInstallError, match="lake build repl"):
        PantographBackend(binary=machine / "repl").prepare(["Init"])
