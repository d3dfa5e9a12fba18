from __future__ import annotations

from pathlib import Path

import pytest
from scripted_toolchain import write_program

from leanebm.errors import LeanInstallError
from leanebm.lean.backends import toolchain
from leanebm.lean.backends.base import minimal_environment
from leanebm.lean.backends.toolchain import (
    has_mathlib,
    lean_of,
    pinned_version,
    program,
    run_tool,
    search_path,
    tool_environment,
)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose PATH is this folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _lean(machine: Path, script: str) -> None:
    write_program(machine / "lean", script)


def _lake(machine: Path, script: str) -> None:
    write_program(machine / "lake", script)


_NETWORK = ("https_proxy", "HTTP_PROXY", "all_proxy", "NO_PROXY", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")


def test_elan_can_reach_the_network_and_a_worker_is_not_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _NETWORK:
        monkeypatch.setenv(name, "http://me:hunter2@proxy")
    monkeypatch.setenv("LEAN_SYSROOT", "/opt/lean")
    monkeypatch.setenv("HF_TOKEN", "hf_hunter2")
    given = tool_environment(MINE="1")
    assert {*_NETWORK, "LEAN_SYSROOT", "MINE"} <= given.keys()
    assert "HF_TOKEN" not in given
    assert "hunter2" not in str(minimal_environment())
    assert minimal_environment()["LEAN_SYSROOT"] == "/opt/lean"


def test_a_tool_is_told_how_to_reach_the_network(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert run_tool(["/bin/sh", "-c", 'echo "$HTTPS_PROXY"'], machine).output == "http://proxy:3128"


def test_a_program_that_elan_put_elsewhere_is_named(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the shell in which elan was just installed."""
    monkeypatch.setenv("ELAN_HOME", str(machine / "elan"))
    with pytest.raises(LeanInstallError, match=r"install a toolchain .* --lean embedded"):
        program("lake")
    (machine / "elan" / "bin").mkdir(parents=True)
    (machine / "elan" / "bin" / "lake").touch()
    with pytest.raises(LeanInstallError, match=rf'export PATH="{machine}/elan/bin:\$PATH"'):
        program("lake")


def test_elans_words_are_no_version(machine: Path) -> None:
    _lean(machine, 'echo "info: syncing, latest is version v4.99.0"; echo "Lean (version 4.28.0-rc1, x86_64, Release)"')
    assert lean_of(machine) == "Lean (version 4.28.0-rc1, x86_64, Release)"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (
            "echo no default toolchain configured >&2; exit 1",
            r"(?s)status 1 in .*: type 'elan default stable'.*no default",
        ),
        ("echo error: no default toolchain configured. >&2", r"says no version but 'error: no .*'elan default stable'"),
        ("echo Lean 3", "says no version but 'Lean 3': is it Lean 4"),
    ],
)
def test_a_lean_that_is_none_says_why(machine: Path, script: str, told: str) -> None:
    _lean(machine, script)
    with pytest.raises(LeanInstallError, match=told):
        lean_of(machine)


def test_a_tool_that_does_not_end_is_ended(machine: Path) -> None:
    with pytest.raises(LeanInstallError, match=r"did not end within 0 s .*: type it there yourself"):
        run_tool(["/bin/sh", "-c", "sleep 600"], machine, deadline_s=0.0)


def test_a_tool_that_takes_long_is_told_of_once(
    machine: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run_tool(["/bin/sh", "-c", "exit 0"], machine)
    assert not caplog.records
    monkeypatch.setattr(toolchain, "_SAID_AFTER_S", 0.0)
    run_tool(["/bin/sh", "-c", "/bin/sleep 0.7"], machine, deadline_s=77.0)
    (record,) = caplog.records
    assert "takes long" in record.getMessage()
    assert "it has 77 s" in record.getMessage()


def test_what_lake_says_of_its_own_is_no_search_path(machine: Path) -> None:
    _lake(machine, 'echo "info: a word of Lake"; LEAN_PATH=lib/a:lib/b; eval "$4"')
    assert search_path(machine) == "lib/a:lib/b"
    for said, told in (("", "run 'lake build' there first"), ("error: no default toolchain", "'elan default stable'")):
        _lake(machine, f"echo {said} >&2")
        with pytest.raises(LeanInstallError, match=f"names no search path in .* but says '{said}': .*{told}"):
            search_path(machine)


@pytest.mark.parametrize(
    ("path", "text", "has"),
    [
        (".lake/packages/mathlib/lakefile.lean", "", True),
        ("lake-manifest.json", '{"packages": [{"url": "u", "name": "mathlib"}]}', True),
        ("lake-manifest.json", '{"packages": [{"name": "batteries"}], "name": "mathlib-notes"}', False),
        ("lakefile.toml", "", False),
    ],
)
def test_a_project_has_mathlib_by_its_packages_or_its_manifest(tmp_path: Path, path: str, text: str, has: bool) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
    assert has_mathlib(tmp_path) is has


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("leanprover/lean4:v4.26.0\n", "4.26.0"),
        ("leanprover/lean4:4.9.0-rc1", "4.9.0-rc1"),
        ("v4.30.0", "4.30.0"),
        ("leanprover/lean4:nightly-2026-01-01", None),
        ("stable", None),
    ],
)
def test_what_a_project_asks_for(tmp_path: Path, text: str, version: str | None) -> None:
    assert pinned_version(tmp_path) is None
    (tmp_path / "lean-toolchain").write_text(text)
    assert pinned_version(tmp_path) == version
