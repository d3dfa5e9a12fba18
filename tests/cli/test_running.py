from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Callable

import click
import pytest
from click.testing import Result

from leanebm.cli._running import Interrupted, failing_clearly, run_to_end
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
    ],
)
def test_what_goes_wrong_is_one_message_and_a_status(
    error: Exception, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(click.exceptions.Exit) as caught, failing_clearly():
        raise error
    assert caught.value.exit_code == status
    assert str(error) in capsys.readouterr().err


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
