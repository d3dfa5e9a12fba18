from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from leanebm.errors import ConfigError, LeanInstallError
from leanebm.lean import CommandBackend, Dialect, EmbeddedBackend, NativeBackend, PantographBackend
from leanebm.lean.backends.native import _built, _native_program, repl_source
from leanebm.lean.backends.pantograph import LEAN_OF_PANTOGRAPH
from leanebm.lean.embedded.download import load_pins


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose PATH is this folder; what it does not hold does not exist."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ELAN_HOME", str(tmp_path / "elan"))
    monkeypatch.setenv("LEANEBM_CACHE_DIR", str(tmp_path / "cache"))
    _built.cache_clear()
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


def _toolchain(machine: Path, *, build: str, version: str = "4.30.0") -> None:
    """A `lean` and a `lake` of no use but to be asked; `build` is what `lake build` does."""
    says_version = f'echo "Lean (version {version}, x86_64, Release)"'
    _program(machine / "lean", f'case "$1" in --version) {says_version};; --print-prefix) echo /opt/lean;; esac')
    _program(
        machine / "lake",
        f"""case "$1" in
build) echo "$*" >>{machine}/asked; {build} ;;
env) [ "$2" = sh ] && LEAN_PATH=lib && eval "$4" ;;
esac""",
    )


_BUILDS = "/bin/mkdir -p .lake/build/bin; echo built >.lake/build/bin/repl"


def test_native_without_lake_runs_the_shipped_source(machine: Path) -> None:
    lean = _program(machine / "lean")
    command = NativeBackend().prepare(["Init", "Std"])
    assert command.argv[:2] == (str(lean), "--run")
    assert Path(command.argv[2]).name == "Repl.lean"
    assert Path(command.argv[2]).is_file()
    assert command.argv[3:] == ("Init", "Std")
    assert command.env["LEAN_ABORT_ON_PANIC"] == "1"


def test_native_is_built_once_for_each_toolchain(machine: Path) -> None:
    _toolchain(machine, build=_BUILDS)
    first = NativeBackend().prepare(["Init"])
    lake, env, binary, *rest = first.argv
    assert (lake, env, rest) == (str(machine / "lake"), "env", ["--sysroot", "/opt/lean", "Init"])
    assert Path(binary).read_text() == "built\n"
    assert first.cwd is not None
    package = tomllib.loads((first.cwd / "lakefile.toml").read_text())
    assert package["lean_exe"] == [{"name": "repl", "root": "Repl", "supportInterpreter": True}]
    assert (first.cwd / "Repl.lean").read_bytes() == repl_source().read_bytes()
    _built.cache_clear()  # as another process would
    assert NativeBackend().prepare(["Init"]).argv == first.argv
    assert (machine / "asked").read_text().splitlines() == ["build repl"]
    _toolchain(machine, build=_BUILDS, version="4.31.0")
    assert NativeBackend().prepare(["Init"]).argv != first.argv
    assert (machine / "asked").read_text().splitlines() == ["build repl"] * 2


def test_a_build_that_fails_leaves_the_source_to_be_interpreted(
    machine: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _toolchain(machine, build="echo error: no C compiler; exit 1")
    for _ in range(2):
        assert NativeBackend().prepare(["Init"]).argv[:2] == (str(machine / "lean"), "--run")
    assert (machine / "asked").read_text().splitlines() == ["build repl"]
    assert "no C compiler" in caplog.text


@pytest.mark.parametrize(
    "said", ["error: Repl.lean:3:4: unknown constant", "error: ././Repl.lean:3:4: x", "Repl.lean:3:4: error: x"]
)
def test_a_lean_that_does_not_understand_the_source_is_named_with_what_would(machine: Path, said: str) -> None:
    _toolchain(machine, build=f"echo '{said}'; exit 1", version="4.99.0")
    with pytest.raises(LeanInstallError, match=r"(?s)version 4\.99\.0.*for Lean 4\.28, .*up to 4\.35.*Repl\.lean:3:4"):
        NativeBackend().prepare(["Init"])


def test_a_lean_that_names_no_folder_of_its_own_is_none(machine: Path) -> None:
    _toolchain(machine, build=_BUILDS)
    script = (machine / "lean").read_text()
    _program(machine / "lean", script.replace("/opt/lean", "none"))
    with pytest.raises(LeanInstallError, match="names no folder but says 'none'"):
        NativeBackend().prepare(["Init"])


@pytest.fixture
def project(machine: Path) -> Path:
    folder = machine / "project"
    folder.mkdir()
    (folder / "lakefile.toml").touch()
    (folder / "lean-toolchain").write_text("leanprover/lean4:v4.30.0\n")
    return folder


def test_native_in_a_project_is_of_its_toolchain_and_goes_through_lake(machine: Path, project: Path) -> None:
    _toolchain(machine, build=_BUILDS)
    with pytest.raises(LeanInstallError, match="not a Lake project"):
        NativeBackend(project=machine).prepare(["Mathlib"])
    command = NativeBackend(project=project).prepare(["Mathlib"])
    assert command.argv[:2] == (str(machine / "lake"), "env")
    assert command.argv[3:] == ("--sysroot", "/opt/lean", "Mathlib")
    assert command.cwd == project
    package = Path(command.argv[2]).parents[3]
    assert (package / "lean-toolchain").read_text() == "leanprover/lean4:v4.30.0\n"
    assert not list(project.glob(".lake"))


def test_what_elan_says_while_it_fetches_a_toolchain_is_neither_a_version_nor_a_folder(
    machine: Path, project: Path
) -> None:
    """Else the first run would build the REPL, and the second one again."""
    _toolchain(machine, build=_BUILDS)
    quiet = NativeBackend(project=project).prepare(["Mathlib"])
    says = (machine / "lean").read_text()
    _program(machine / "lean", f"echo info: downloading lean >&2\n{says}\necho info: done >&2")
    _built.cache_clear()
    assert NativeBackend(project=project).prepare(["Mathlib"]).argv == quiet.argv
    assert (machine / "asked").read_text().splitlines() == ["build repl"]


def test_where_another_lean_is_used_outside_of_the_project_nothing_is_built_with_it(
    machine: Path, project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _toolchain(machine, build=_BUILDS)
    says = (machine / "lean").read_text()
    other = says.replace("4.30.0", "4.31.0")
    _program(machine / "lean", f'if [ "$PWD" = {project} ]; then\n{says}\nelse\n{other}\nfi')
    assert NativeBackend(project=project).prepare(["Mathlib"]).argv[2:4] == ("lean", "--run")
    assert not (machine / "asked").exists()
    assert "outside of the project, another Lean" in caplog.text


def test_another_source_is_another_package(machine: Path) -> None:
    _toolchain(machine, build=_BUILDS)
    source = machine / "Repl.lean"
    packages = set()
    for text in ("-- one", "-- two", "-- one"):
        source.write_text(text)
        _built.cache_clear()
        packages.add(_native_program(source, None))
    assert len(packages) == 2


def test_what_is_wrong_with_a_project_is_told_before_anything_is_built(machine: Path, project: Path) -> None:
    _toolchain(machine, build=_BUILDS)
    _program(machine / "lake", 'echo "error: lakefile.toml:3:1: unexpected identifier" >&2; exit 1')
    with pytest.raises(LeanInstallError, match=r"(?s)`lake env .*: the project's lakefile is wrong.*toml:3:1"):
        NativeBackend(project=project).prepare(["Mathlib"])
    assert not (machine / "cache").exists()


def test_native_in_a_project_is_interpreted_there_if_it_cannot_be_built(machine: Path, project: Path) -> None:
    _toolchain(machine, build="exit 1")
    command = NativeBackend(project=project).prepare(["Mathlib"])
    assert command.argv[:4] == (str(machine / "lake"), "env", "lean", "--run")
    assert command.cwd == project


def test_the_options_of_a_project_apply(machine: Path, project: Path) -> None:
    _toolchain(machine, build=_BUILDS)
    (project / "lakefile.toml").write_text("[leanOptions]\nautoImplicit = false\npp.unicode.fun = true\n")
    argv = NativeBackend(project=project).prepare(["Mathlib"]).argv
    assert argv[5:] == ("--autoImplicit=false", "--pp.unicode.fun=true", "Mathlib")


def test_native_without_a_toolchain_says_what_to_install(machine: Path, project: Path) -> None:
    with pytest.raises(LeanInstallError, match="'lean' is not on PATH; install a toolchain with elan"):
        NativeBackend().prepare(["Init"])
    with pytest.raises(LeanInstallError, match="'lake' is not on PATH; install a toolchain with elan"):
        NativeBackend(project=project).prepare(["Init"])
    with pytest.raises(LeanInstallError, match="it is not a Lake project"):  # which no toolchain would mend
        NativeBackend(project=machine).prepare(["Init"])


@pytest.mark.lean
@pytest.mark.usefixtures("embedded_lean")
def test_the_embedded_lean_names_modules_that_it_has_not() -> None:
    assert EmbeddedBackend().prepare(["Init", "Std", "Lean.Elab.Tactic"]).argv[-1] == "Lean.Elab.Tactic"
    with pytest.raises(ConfigError, match=r"no module Mathlib, Lean\.Foo: .* by --project DIR"):
        EmbeddedBackend().prepare(["Init", "Mathlib", "Lean.Foo"])


def test_pantograph_runs_where_its_toolchain_is_chosen(machine: Path) -> None:
    binary = _program(machine / "Pantograph/.lake/build/bin/repl")
    command = PantographBackend(binary=binary).prepare(["Init"])
    assert command.argv == (str(binary), "Init")
    assert command.cwd == machine / "Pantograph"
    assert command.env["LEAN_ABORT_ON_PANIC"] == "1"
    assert command.dialect is Dialect.PANTOGRAPH


def test_pantograph_gets_the_projects_search_path(machine: Path) -> None:
    binary = _program(machine / "repl")
    _program(machine / "lake", 'LEAN_PATH=lib/a:lib/b; eval "$4"')
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
        ("4.29.1", r"asks for Lean 4\.29\.1.*Build Pantograph 0\.3\.15 \(commit 842c0fe"),
        ("4.25.2", r"Build Pantograph 0\.3\.11, or"),
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
    with pytest.raises(LeanInstallError, match=r"`lake env .* ended with status 1"):
        PantographBackend(binary=binary, project=machine).prepare(["Mathlib"])


def test_a_missing_pantograph_is_an_install_error(machine: Path) -> None:
    with pytest.raises(LeanInstallError, match="lake build repl"):
        PantographBackend(binary=machine / "repl").prepare(["Init"])
