from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from leanebm.errors import LeanInstallError
from leanebm.pipeline import Health, HealthCheck, doctor, examine


def found() -> dict[str, HealthCheck]:
    return {diagnosis.subject: diagnosis for diagnosis in examine()}


@pytest.fixture(autouse=True)
def _empty_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEANEBM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_everything_is_looked_at_once() -> None:
    subjects = [diagnosis.subject for diagnosis in examine()]
    assert len(set(subjects)) == len(subjects)
    assert {"Python", "Node.js", "npm", "embedded Lean", "native Lean", "Pantograph", "disk", "memory"} <= set(subjects)


def test_what_is_missing_comes_with_advice() -> None:
    assert found()["embedded Lean"].verdict is Health.ABSENT
    assert "downloads" in found()["embedded Lean"].advice
    assert found()["native Lean"].verdict is Health.ABSENT
    assert "elan" in found()["native Lean"].advice


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    examine()
    assert list(tmp_path.iterdir()) == []


def test_a_lean_on_the_path_is_found_and_would_be_used(tmp_path: Path) -> None:
    lean = tmp_path / "lean"
    lean.write_text("#!/bin/sh\n")
    lean.chmod(0o755)
    assert found()["native Lean"].finding.startswith(f"{lean}, not tried")
    assert "native" in found()["backend"].finding


def test_without_node_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_node() -> None:
        raise LeanInstallError("the embedded Lean needs Node.js")

    monkeypatch.setattr(doctor, "find_node", no_node)
    monkeypatch.setattr(doctor, "locate", no_node)
    assert found()["Node.js"].verdict is Health.BAD
    assert "pip install" in found()["Node.js"].advice
    assert found()["npm"].verdict is Health.BAD


@pytest.mark.parametrize(("free_mib", "verdict"), [(10, Health.BAD), (100_000, Health.GOOD)])
def test_room_on_the_disk_is_judged(
    monkeypatch: pytest.MonkeyPatch, free_mib: int, verdict: Health, disk: Callable[[int], object]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: disk(free_mib * 2**20))
    assert found()["disk"].verdict is verdict


@pytest.fixture
def disk() -> Callable[[int], object]:
    class Usage:
        def __init__(self, free: int) -> None:
            self.free = free

    return Usage
