from __future__ import annotations

from pathlib import Path

import pytest

from leanebm.errors import LeanInstallError
from leanebm.lean.backends.base import minimal_environment
from leanebm.lean.backends.toolchain import lean_version, pinned_version, program, run_tool, tool_environment


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose PATH is this folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _lean(machine: Path, script: str) -> None:
    (machine / "lean").write_text(f"#!/bin/sh\n{script}\n")
    (machine / "lean").chmod(0o755)


_NETWORK = ("https_proxy", "HTTP_PROXY", "all_proxy", "NO_PROXY", "SSL_CERT_FILE", "CURL_CA_BUNDLE")


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
    assert lean_version(machine) == "4.28.0-rc1"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo no default toolchain configured >&2; exit 1", r"(?s)status 1 in .*no default toolchain"),
        ("echo Lean 3", "says no version but 'Lean 3'"),
    ],
)
def test_a_lean_that_is_none_says_why(machine: Path, script: str, told: str) -> None:
    _lean(machine, script)
    with pytest.raises(LeanInstallError, match=told):
        lean_version(machine)


def test_a_tool_that_does_not_end_is_ended(machine: Path) -> None:
    with pytest.raises(LeanInstallError, match="did not end within 0 s"):
        run_tool(["/bin/sh", "-c", "sleep 600"], machine, deadline_s=0.0)


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
