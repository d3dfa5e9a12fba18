"""Runs a command's coroutine to its end, and turns what can go wrong into one message and an exit status."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from leanebm.cli._echo import echo
from leanebm.errors import ConfigError, LeanEbmError, StatementError

T = TypeVar("T")

NOT_PROVED = 1

"""Exit status: nothing broke, and there is no certified proof."""

BAD_INPUT = 2

"""Exit status: what was asked for cannot be done; every problem is listed."""

BROKEN = 3

"""Exit status: something broke, so nothing is known."""

INTERRUPTED = 130

"""Exit status: stopped by Ctrl-C or a termination signal."""

_log = logging.getLogger(__name__)


class Interrupted(Exception):
    """The user stopped the command; everything has been closed in good order."""


def run_to_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run ``coroutine``; Ctrl-C and SIGTERM cancel it, and it is waited for.

    Raises:
        Interrupted: it was stopped so.
    """

    async def terminable() -> T:
        task = asyncio.current_task()
        if task is not None and sys.platform != "win32":
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await coroutine

    try:
        return asyncio.run(terminable())
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Interrupted from None


@contextmanager
def failing_clearly() -> Iterator[None]:
    """End the program with one clear message where leanebm raised on purpose; let bugs through."""
    try:
        yield
    except (ConfigError, StatementError) as error:
        raise _exit(str(error), BAD_INPUT) from error
    except LeanEbmError as error:
        raise _exit(str(error), BROKEN) from error
    except Interrupted:
        raise _exit("Stopped.", INTERRUPTED) from None
    except BrokenPipeError:
        raise  # whoever read our output has seen enough; click ends quietly then
    except OSError as error:  # no room, no right, no such folder: nothing of ours is wrong
        raise _exit(f"the operating system refused: {error}", BROKEN) from error


def _exit(message: str, status: int) -> click.exceptions.Exit:
    echo(f"leanebm: {message}" if status != INTERRUPTED else message, err=True)
    _log.debug("exit status %d", status, exc_info=True)
    return click.exceptions.Exit(status)
