"""The guard under real signals: whoever is killed, nobody survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import leanebm.lean

_GUARD = Path(leanebm.lean.__file__).with_name("_guard.py")
# Tells its own process id, starts a grandchild that does the same, and stays.
_FAMILY = "sh -c 'echo $$; exec sleep 1000' & echo $$; wait"


class Guarded:
    """A guarded shell with a grandchild, started without any of our asyncio code."""

    def __init__(self, *program: str, stack_mib: int = 0) -> None:
        read_end, self.lifeline = os.pipe()
        argv = (sys.executable, "-I", "-S", str(_GUARD), str(read_end), str(stack_mib), *program)
        self.guard = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[read_end],
            start_new_session=True,
        )
        os.close(read_end)
        os.write(self.lifeline, b"!")

    def members(self, number: int) -> list[psutil.Process]:
        assert self.guard.stdout is not None
        return [psutil.Process(int(self.guard.stdout.readline())) for _ in range(number)]

    def communicate(self) -> tuple[bytes, bytes]:
        return self.guard.communicate(b"hello\n", timeout=60)


@pytest.fixture
def family() -> Iterator[Guarded]:
    guarded = Guarded("sh", "-c", _FAMILY)
    yield guarded
    if guarded.guard.poll() is None:
        os.killpg(guarded.guard.pid, signal.SIGKILL)
    guarded.guard.communicate()


def _assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


def test_closing_the_pipe_ends_the_whole_group(family: Guarded) -> None:
    members = family.members(2)
    os.close(family.lifeline)
    _assert_gone(members)
    assert family.guard.wait(60) == -signal.SIGKILL


def test_killing_the_program_is_passed_on(family: Guarded) -> None:
    members = family.members(2)
    shell = next(member for member in members if member.ppid() == family.guard.pid)
    shell.kill()
    assert family.guard.wait(60) == -signal.SIGKILL
    os.close(family.lifeline)
    os.killpg(family.guard.pid, signal.SIGKILL)  # what the parent does when it sees the guard end
    _assert_gone(members)


def test_killing_the_parent_leaves_nobody() -> None:
    parent = (
        "import os, subprocess, sys\n"
        "r, w = os.pipe()\n"
        f"argv = [sys.executable, '-I', '-S', {str(_GUARD)!r}, str(r), '0', 'sh', '-c', {_FAMILY!r}]\n"
        "guard = subprocess.Popen(argv, stdin=subprocess.PIPE, pass_fds=[r], start_new_session=True)\n"
        "os.write(w, b'!')\n"
        "print(guard.pid, flush=True)\n"
        "guard.wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        members = [psutil.Process(int(process.stdout.readline())) for _ in range(3)]
        process.kill()
        _assert_gone(members)


@pytest.mark.parametrize("status", [0, 7])
def test_the_exit_status_is_the_programs(status: int) -> None:
    guarded = Guarded("sh", "-c", f"read line; echo got $line; exit {status}")
    out, err = guarded.communicate()
    os.close(guarded.lifeline)
    assert (guarded.guard.returncode, out, err) == (status, b"got hello\n", b"")


def test_a_program_that_does_not_exist_is_named() -> None:
    guarded = Guarded("no-such-program-here")
    _, err = guarded.communicate()
    os.close(guarded.lifeline)
    assert guarded.guard.returncode == 127
    assert b"cannot run 'no-such-program-here'" in err


def test_the_stack_limit_is_raised_for_the_program() -> None:
    guarded = Guarded("sh", "-c", "ulimit -s", stack_mib=24)
    out, _ = guarded.communicate()
    os.close(guarded.lifeline)
    assert out.strip() in {b"24576", b"unlimited"}


def test_the_program_does_not_inherit_the_pipe() -> None:
    guarded = Guarded(sys.executable, "-I", "-S", "-c", "import os; print(sorted(os.listdir('/dev/fd')))")
    out, _ = guarded.communicate()
    os.close(guarded.lifeline)
    # Three streams, and the directory that is being listed.
    assert out.strip() == b"['0', '1', '2', '3']"


def test_the_program_dies_of_a_broken_pipe_like_any_other() -> None:
    look = "grep SigIgn /proc/self/status || echo SigIgn: 0"
    guarded = Guarded("sh", "-c", look)
    out, _ = guarded.communicate()
    os.close(guarded.lifeline)
    assert int(out.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0
