from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from fake_worker import fake_worker_argv
from scripted_toolchain import write_program

from leanebm.errors import LeanInstallError, WorkerStartError
from leanebm.lean import LeanPoolConfig, NativeBackend
from leanebm.lean.backends import native, toolchain
from leanebm.lean.probe import LeanProbe, probe, tried

FakeConfig = Callable[..., LeanPoolConfig]


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def test_a_lean_that_starts_says_what_it_is_and_is_ended(fake_config: FakeConfig) -> None:
    before = _children()
    found = probe(fake_config().backend)
    assert found.lean_version == "4.0.0-fake"
    assert found.start_s > 0
    assert found.rss_mib > 0
    assert _children() <= before


def _lean(folder: Path, script: str) -> None:
    write_program(folder / "lean", script)


def test_a_lean_that_does_not_start_raises_or_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LeanInstallError):
        probe(NativeBackend())
    _lean(tmp_path, "echo one >&2; echo two >&2; exit 1")
    with pytest.raises(WorkerStartError):
        probe(NativeBackend())
    told = tried(NativeBackend())
    assert isinstance(told, str)
    assert told.endswith("one two")


def test_the_same_lean_elsewhere_on_the_path_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert isinstance(tried(NativeBackend()), str)
    _lean(tmp_path / "bin", f"exec {shlex.join(fake_worker_argv())}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert isinstance(tried(NativeBackend()), LeanProbe)


# --- what a newcomer meets: a toolchain that fails, in the words of elan, Lake, Lean and the system ---

_VERSION = 'echo "Lean (version 4.28.0, x86_64-unknown-linux-gnu, commit 38f3c0c4, Release)"'
_WORKS = {
    "version": _VERSION,
    "prefix": "echo /opt/lean",
    "build": "/bin/mkdir -p .lake/build/bin; : >.lake/build/bin/repl",
    "path": 'LEAN_PATH=lib; eval "$4"',
    "run": f"exec {shlex.join(fake_worker_argv())}",
}
_ELAN_OFFLINE = """echo "error: could not download file from 'https://releases.lean-lang.org/x' to 'x'"
echo "info: caused by: error during download"
echo "info: caused by: [5] Couldn't resolve proxy name (Could not resolve proxy: proxy)"; exit 1"""
_NOT_BUILT = "uncaught exception: object file '/p/Mathlib.olean' of module Mathlib does not exist"


def _machine(folder: Path, **parts: str) -> NativeBackend:
    """A toolchain that works but for ``parts``, and a project with Mathlib whose path is no plain word."""
    script = _WORKS | parts
    write_program(folder / "lean", f'case "$1" in --version) {script["version"]} ;; *) {script["prefix"]} ;; esac')
    write_program(
        folder / "lake",
        f'case "$1:$2" in build:*) {script["build"]} ;; env:sh) {script["path"]} ;; *) {script["run"]} ;; esac',
    )
    project = folder / "a project \u2200"
    (project / ".lake" / "packages" / "mathlib").mkdir(parents=True)
    (project / "lakefile.toml").touch()
    return NativeBackend(project=project)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LEANEBM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(toolchain, "_ENV_DEADLINE_S", 0.5)
    native._built.cache_clear()
    return tmp_path


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (
            {"version": _VERSION.replace("28", "9"), "build": "echo error: ././Repl.lean:3:4: x; exit 1"},
            "written for Lean",
        ),
        (
            {"run": f'echo "{_NOT_BUILT}"; exit 1'},
            "no module Mathlib; .* run 'lake exe cache get' and 'lake build' there",
        ),
        (
            {"run": "echo error: failed to read file X, incompatible header; exit 1"},
            "made by another Lean .* 'lake build'",
        ),
        ({"version": _ELAN_OFFLINE}, "network was not reached: look at HTTPS_PROXY"),
        ({"version": "echo error: no default toolchain configured."}, "type 'elan default stable'"),
        ({"path": "echo error: no default toolchain configured."}, "type 'elan default stable'"),
        (
            {"version": "echo error: toolchain \"'v4.99.0'\" is not installed; exit 1"},
            "correct the project's lean-toolchain",
        ),
        (
            {"path": "echo error: ././lakefile.lean:3:0: x; exit 1"},
            "lakefile is wrong.*until 'lake build' goes through",
        ),
        ({"path": "echo error: lakefile.toml:3:0: x; exit 1"}, "lakefile is wrong.*until 'lake build' goes through"),
        ({"path": "echo error: permission denied; exit 1"}, "may not be written: .* make both writable"),
        ({"path": "echo error: no space left on device; exit 1"}, "disk is full"),
        ({"run": "kill -KILL $$"}, "too little memory: close something"),
        ({"run": "exit 137"}, "too little memory: close something"),
        ({"path": "exec /bin/sleep 600"}, "did not end within .* in .*: type it there yourself"),
        ({"prefix": "echo none"}, "names no folder"),
        ({"run": "echo lean: libleanshared.so: cannot open shared object file; exit 127"}, "the Lean that it"),
        ({"build": "exit 1", "run": "echo Repl.lean:3:4: error: x; exit 1"}, "written for Lean"),
    ],
)
def test_a_toolchain_that_fails_is_told_in_a_sentence_and_leaves_no_process(
    machine: Path, broken: dict[str, str], told: str
) -> None:
    before = _children()
    found = tried(_machine(machine, **broken), ("Mathlib",))
    assert isinstance(found, str)
    assert re.search(told, found, re.IGNORECASE), found
    assert len(found) < 1500
    assert _children() <= before


def test_words_in_between_and_an_odd_path_are_in_nobodys_way(machine: Path) -> None:
    noise = {name: f"echo info: a word >&2; echo info: another; {script}" for name, script in _WORKS.items()}
    assert isinstance(tried(_machine(machine, **noise), ("Mathlib",)), LeanProbe)
