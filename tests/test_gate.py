"""``.ci/run``, with stand-ins for Python and nox: what it prints, how it ends, and that nothing outlives it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

RUN = Path(__file__).parent.parent / ".ci" / "run"

PYTHON = """#!/usr/bin/env bash
# `python -m venv FOLDER` makes the environment; `python -m pip install …` needs no more.
if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; cp "$(dirname "$0")/fake-nox" "$3/bin/nox"; fi
"""

NOX = """#!/usr/bin/env bash
session=$3
trap 'echo "$session stopped"; exit 130' TERM
echo "$session began"
sleep 600 & echo $! >>pids  # what a session leaves behind
if [ -e "$session-hang" ]; then wait; fi
while [ ! -e "$session-go" ]; do sleep 0.02; done
[ "$session" = tests ] && echo "===== 3 passed in 1.20s ====="
echo "$session ended"
[ ! -e "$session-fail" ]
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout that holds the gate alone."""
    tree, tools = tmp_path / "tree", tmp_path / "tools"
    (tree / ".ci").mkdir(parents=True)
    tools.mkdir()
    shutil.copy2(RUN, tree / ".ci" / "run")
    for name, script in (("python3.11", PYTHON), ("fake-nox", NOX)):
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    return tree


def start(tree: Path) -> subprocess.Popen[str]:
    path = f"{tree.parent / 'tools'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        [tree / ".ci" / "run"],
        env=os.environ | {"PATH": path, "TMPDIR": str(tree.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def left_running(tree: Path) -> list[int]:
    """Which of the sessions' own processes are still there; what was killed may take a moment to go."""
    pids = [int(pid) for pid in (tree / "pids").read_text().split()]
    gone_s = time.monotonic() + 60
    while any(map(runs, pids)) and time.monotonic() < gone_s:
        time.sleep(0.02)
    return [pid for pid in pids if runs(pid)]


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # those are for init to reap
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(("failing", "status"), [((), 0), (("tests",), 1), (("checks",), 1)])
def test_both_outputs_are_whole_and_either_failure_fails(tree: Path, failing: tuple[str, ...], status: int) -> None:
    (tree / "checks-go").touch()  # they end first, and are shown last
    for session in failing:
        (tree / f"{session}-fail").touch()
    with start(tree) as gate:
        assert gate.stdout is not None
        assert gate.stdout.readline() == "tests began\n"
        (tree / "tests-go").touch()
        said = gate.stdout.read().splitlines()
    closing = "===== 3 passed in 1.20s ====="
    again = ["tests began", closing, "tests ended"] if "tests" in failing else []
    assert said == [closing, "tests ended", "checks began", "checks ended", *again, closing]
    assert gate.returncode == status
    assert left_running(tree) == []


def test_a_gate_that_is_stopped_stops_both_and_leaves_nothing(tree: Path) -> None:
    for session in ("tests", "checks"):
        (tree / f"{session}-hang").touch()
    with start(tree) as gate:
        assert gate.stdout is not None
        assert gate.stdout.readline() == "tests began\n"
        while not (tree / "pids").exists() or len((tree / "pids").read_text().split()) < 2:
            time.sleep(0.02)
        gate.send_signal(signal.SIGTERM)
        assert "tests stopped" in gate.stdout.read()
    assert gate.returncode == 128 + signal.SIGTERM
    assert left_running(tree) == []
    assert not list(tree.parent.glob("tmp.*")), "its own folder is removed"
