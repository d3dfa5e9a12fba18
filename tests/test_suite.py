"""The suite itself: it ends, however it was started and whatever hangs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__)
HANGS = "LEANEBM_TEST_HANGS"


def start(*arguments: str | Path, ignore_interrupts: bool = False, hangs: bool = False) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", *arguments],
        cwd=HERE.parent.parent,
        env=os.environ | ({HANGS: "1"} if hangs else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=(lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if ignore_interrupts else None,
    )


@pytest.mark.skipif(HANGS not in os.environ, reason="the tests below run it, and stop it")
def test_that_hangs() -> None:
    print("hanging", file=sys.__stderr__, flush=True)
    signal.pause()


def test_a_hang_is_a_failure_that_names_the_test() -> None:
    with start(HERE, "-k", "test_that_hangs", "--timeout", "1", hangs=True) as running:
        said = running.communicate()[0]
    assert running.returncode == 1
    assert "Timeout (>1.0s)" in said
    assert "FAILED tests/test_suite.py::test_that_hangs" in said


def test_ctrl_c_is_tested_where_it_was_ignored_at_the_start() -> None:
    here_and_in_a_child = "test_a_signal_lets or (test_a_part_that_does_not_stop and wait)"
    with start(HERE.parent / "cli" / "test_running.py", "-k", here_and_in_a_child, ignore_interrupts=True) as running:
        said = running.communicate()[0]
    assert running.returncode == 0, said
    assert "4 passed" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_in_the_background_ends_with_its_closing_line(number: signal.Signals) -> None:
    with start("-s", HERE, "-k", "test_that_hangs", ignore_interrupts=True, hangs=True) as running:
        assert running.stdout is not None
        said = ""
        while "hanging" not in said:
            line = running.stdout.readline()
            assert line, said
            said += line
        running.send_signal(number)
        said += running.communicate()[0]
    assert running.returncode == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in said
    assert re.search(r"^=+ .* in [0-9.]+s", said, re.MULTILINE)
