from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_worker import fake_worker_argv

from leanebm import _extras
from leanebm.errors import LeanInstallError
from leanebm.lean import probe
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


def _program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_lean_that_starts_is_good_and_would_be_used(tmp_path: Path) -> None:
    lean = _program(tmp_path / "lean", f"exec {shlex.join(fake_worker_argv())}")
    native = found()["native Lean"]
    assert native.verdict is Health.GOOD
    assert re.fullmatch(rf"Lean 4\.0\.0-fake at {lean}: ready over Init after \d+\.\d s, \d+ MiB", native.finding)
    assert native.advice == "leanebm prove '1 + 1 = 2' --lean native"
    assert "native" in found()["backend"].finding


def test_a_lean_that_does_not_start_is_not_called_good_and_not_used(tmp_path: Path) -> None:
    lean = _program(tmp_path / "lean", "echo no default toolchain configured >&2; exit 1")
    binary = _program(tmp_path / "vendor/Pantograph/.lake/build/bin/repl", "exit 2")
    checks = found()
    for subject, place in (("native Lean", lean), ("Pantograph", binary)):
        assert checks[subject].verdict is Health.ABSENT
        assert checks[subject].finding.startswith(f"{place} does not start: ")
    assert "no default toolchain configured" in checks["native Lean"].finding
    assert "embedded" in checks["backend"].finding


def _toolchain(folder: Path, project: str) -> None:
    """A Lean that has the project's modules, if it is run by Lake in that folder."""
    _program(
        folder / "lean",
        'case "$1" in --version) echo "Lean (version 4.28.0, Release)" ;; --print-prefix) echo /opt/lean ;; esac',
    )
    _program(
        folder / "lake",
        f"""case "$1:$2" in
build:*) /bin/mkdir -p .lake/build/bin; : >.lake/build/bin/repl ;;
env:sh) LEAN_PATH=lib; eval "$4" ;;
env:*) [ "$PWD" = "{folder / project}" ] || exit 1; shift 3; echo $* >>{folder}/asked
    exec {shlex.join(fake_worker_argv())} ;;
esac""",
    )


def test_a_project_is_started_over_what_it_has(tmp_path: Path) -> None:
    _toolchain(tmp_path, "a project ∀")
    project = tmp_path / "a project ∀"
    (project / ".lake/packages/mathlib").mkdir(parents=True)
    (project / "lakefile.toml").touch()
    (project / "lean-toolchain").write_text("leanprover/lean4:v4.28.0\n")
    last = examine(project)[-1]
    assert (last.subject, last.verdict) == ("project", Health.GOOD), last.finding
    assert "asks for 4.28.0" in last.finding
    assert "ready over Mathlib" in last.finding
    assert last.advice == f"leanebm search --project '{project}' --imports Mathlib"
    assert (tmp_path / "asked").read_text().split() == ["/opt/lean", "Mathlib"]
    assert examine(tmp_path)[-1].verdict is Health.BAD  # no Lake project


def test_a_pantograph_is_tried_in_the_project_too(tmp_path: Path) -> None:
    _toolchain(tmp_path, "project")
    worker = shlex.join(fake_worker_argv(dialect="pantograph"))
    _program(tmp_path / "vendor/Pantograph/.lake/build/bin/repl", f"exec {worker}")
    (tmp_path / "vendor/Pantograph/lean-toolchain").write_text("v4.26.0")
    project = tmp_path / "project"
    project.mkdir()
    (project / "lakefile.toml").touch()
    for pinned, verdict in (("4.26.0", Health.GOOD), ("4.29.1", Health.ABSENT)):
        (project / "lean-toolchain").write_text(f"leanprover/lean4:v{pinned}\n")
        probe._tried.cache_clear()
        last = examine(project)[-1]
        assert (last.subject, last.verdict) == ("project, by Pantograph", verdict), last.finding
        assert last.finding.startswith("Lean 4.26.0 at " if verdict is Health.GOOD else str(project))
    assert "Build Pantograph 0.3.15" in last.finding


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


def test_each_extra_is_there_or_comes_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "missing_of", lambda extra: ("torch>=2.5",) if extra == "energy" else ())
    monkeypatch.setattr(doctor, "how_to_install", lambda extra: f"install {extra}")
    extras = {subject: each for subject, each in found().items() if subject.startswith("extra ")}
    assert {subject: each.verdict for subject, each in extras.items()} == {
        f"extra {name}": Health.ABSENT if name == "energy" else Health.GOOD for name in _extras.extras()
    }
    assert "torch>=2.5" in extras["extra energy"].finding
    assert extras["extra energy"].advice == "install energy"
    assert extras["extra serve"].advice == ""


@pytest.mark.parametrize(("names", "verdict"), [([], Health.ABSENT), (["A", "B"], Health.GOOD)])
def test_the_gpus_that_torch_sees_are_named(monkeypatch: pytest.MonkeyPatch, names: list[str], verdict: Health) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(names))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: names[number])
    assert found()["GPU"].verdict is verdict
    said = "cuda:0 A, cuda:1 B (torch " if names else f"torch {torch.__version__} sees none"
    assert found()["GPU"].finding.startswith(said)


def test_without_torch_nothing_imports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "torch", None)  # an import would fail
    assert (found()["GPU"].verdict, "torch is not installed" in found()["GPU"].finding) == (Health.ABSENT, True)


def test_a_torch_that_cannot_be_imported_stands_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda _: object())
    monkeypatch.setitem(sys.modules, "torch", None)
    assert found()["GPU"].verdict is Health.BAD
