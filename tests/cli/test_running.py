from __future__ import annotations

import asyncio
import errno
import os
import signal

import click
import pytest

from leanebm.cli._running import Interrupted, failing_clearly, run_to_end
from leanebm.errors import ConfigError, LeanEbmError, StatementError


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
