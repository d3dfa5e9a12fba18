from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from leanebm.errors import LeanInstallError, WorkerStartError
from leanebm.lean import LeanPoolConfig, NativeBackend
from leanebm.lean.probe import LeanProbe, probe, tried
from leanebm.testing import fake_worker_argv

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
    folder.mkdir(exist_ok=True)
    (folder / "lean").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "lean").chmod(0o755)


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
