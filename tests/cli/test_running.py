from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from leanebm.cli._running import Interrupted, failing_clearly, run_to_end, with_options
from leanebm.errors import ConfigError, LeanEbmError, StatementError

Leanebm = Callable[..., Result]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_everything_close_first(number: signal.Signals) -> None:
    closed = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    with pytest.raises(Interrupted):
        run_to_end(work())
    assert closed == [True]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_while_the_first_is_being_heeded_changes_nothing(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, again = threading.Timer.start, [signal.SIGTERM]

    def start_during_another(timer: threading.Timer) -> None:
        if again:
            os.kill(os.getpid(), again.pop())
        start(timer)

    async def work() -> None:
        os.kill(os.getpid(), number)
        await asyncio.Event().wait()

    monkeypatch.setattr(threading.Timer, "start", start_during_another)
    with pytest.raises(Interrupted):
        run_to_end(work())
    assert not again


def test_a_result_is_handed_back() -> None:
    async def work() -> int:
        return 3

    assert run_to_end(work()) == 3


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("bad:", ["this @ here"]), 2),
        (StatementError("parse", "no"), 2),
        (LeanEbmError("broken"), 3),
        (OSError(errno.ENOSPC, "No space left on device", "runs/a"), 3),
        (Interrupted(), 130),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_goes_wrong_is_one_message_and_a_status(
    error: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(click.exceptions.Exit) as caught, failing_clearly():
        raise error
    assert caught.value.exit_code == status
    assert str(error) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "status"),
    [(errno.EACCES, 2), (errno.ENOTDIR, 2), (errno.EROFS, 2), (errno.ENOSPC, 3), (errno.EIO, 3), (errno.EMFILE, 3)],
)
def test_a_wrong_place_is_the_users_and_a_full_disk_is_nobodys(
    number: int, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(click.exceptions.Exit) as caught, failing_clearly():
        raise OSError(number, os.strerror(number), "place")
    assert caught.value.exit_code == status
    assert ("make room" in capsys.readouterr().err) is (number == errno.ENOSPC)


def test_settings_are_named_by_the_options_that_stand_for_them() -> None:
    options = {"config.scorer": "--scorer", "config.search.budget.max_wall_s": "--wall-s"}
    message = "  - $.config.scorer.alpha: nothing, not 0.5\n  - $.config.search.budget.max_wall_s: 3.0, not 4.0"
    assert with_options(message, options) == "  - --scorer alpha: nothing, not 0.5\n  - --wall-s: 3.0, not 4.0"
    assert with_options("2 @ $.config.scorers", options) == "2 @ scorers"


def test_a_reader_who_has_seen_enough_is_left_to_click() -> None:
    with pytest.raises(BrokenPipeError), failing_clearly():
        raise BrokenPipeError


def test_a_bug_is_let_through() -> None:
    with pytest.raises(ZeroDivisionError), failing_clearly():
        raise ZeroDivisionError


def test_a_server_that_is_not_there_is_named_at_once_and_not_waited_for_long(leanebm_command: Leanebm) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        result = leanebm_command("prove", "4", "--server-url", url, "--patience", "0.01")
    assert result.exit_code == 3
    first, second, last = result.stderr.splitlines()
    assert first == f"reaching the policy server at {url}"
    assert "connection refused; it is tried for 0.01 s" in second
    assert last.startswith(f"leanebm: {url}/health cannot be reached: connection refused; tried for 0.01 s")
    assert result.stdout == ""


# What ends by force is a whole program, so each of these tests starts one.

PART = """
import asyncio
import time

class Part:
    async def wait(self):
        while True:
            try:
                print("ready", flush=True)
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass

    async def compute(self):
        print("ready", flush=True)
        while True:
            pass

    async def leave_behind(self):
        self.task = asyncio.create_task(self.wait())
        await asyncio.sleep(0)

    async def read(self):
        print("ready", flush=True)
        await asyncio.to_thread(time.sleep, 3600)

    async def close(self):
        try:
            print("ready", flush=True)
            await asyncio.sleep(3600)
        finally:
            print("closed", flush=True)
"""

PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
from leanebm.cli._running import Interrupted, run_to_end
from part import Part

try:
    run_to_end(getattr(Part(), sys.argv[1])(), grace_s=float(sys.argv[2]))
except Interrupted:
    sys.exit(130)
"""


def start(folder: Path, method: str, grace_s: float) -> subprocess.Popen[str]:
    (folder / "part.py").write_text(PART)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, method, str(grace_s)],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("method", ["wait", "compute"])
def test_a_part_that_does_not_stop_is_named_and_the_program_ends(
    tmp_path: Path, method: str, number: signal.Signals
) -> None:
    with start(tmp_path, method, 0.2) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(number)
        _, errors = program.communicate()
    assert program.returncode == 3, errors
    assert "leanebm: ended by force, 0.2 s after it should have stopped: " in errors
    assert f"Part.{method} (" in errors
    assert "part.py, line" in errors


def test_what_a_part_leaves_running_does_not_hold_the_program(tmp_path: Path) -> None:
    with start(tmp_path, "leave_behind", 0.2) as program:
        _, errors = program.communicate()
    assert program.returncode == 3
    assert "Part.wait (" in errors


def test_a_thread_that_cannot_be_cancelled_is_nobodys_mistake(tmp_path: Path) -> None:
    with start(tmp_path, "read", 0.2) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate()
    assert program.returncode == 130
    assert "a computation went on. What was reported is kept" in errors


def test_what_closes_in_good_order_is_not_ended_by_force(tmp_path: Path) -> None:
    with start(tmp_path, "close", 60) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signal.SIGTERM)
        output, errors = program.communicate()
    assert (program.returncode, output, errors) == (130, "closed\n", "")
