"""Runs a command's coroutine to its end, and turns what can go wrong into one message and an exit status."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar, final

import click

from leanebm.cli._echo import echo
from leanebm.errors import ConfigError, LeanEbmError, StatementError

T = TypeVar("T")

GRACE_S = 30.0
"""Seconds that closing may take: workers end, and what was found is written."""

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


def run_to_end(coroutine: Coroutine[Any, Any, T], *, grace_s: float = GRACE_S) -> T:
    """Run ``coroutine``; Ctrl-C and SIGTERM cancel it, and it is waited for, but not for ever.

    Args:
        coroutine: what the command does.
        grace_s: seconds that closing may take, after which the program is ended by force.

    Raises:
        Interrupted: it was stopped so.
    """
    graces: list[_Grace] = []

    async def stoppable() -> T:
        grace = _Grace(asyncio.get_running_loop(), grace_s=grace_s)
        graces.append(grace)
        try:
            with _stopped_by_signals(grace):
                return await coroutine
        finally:
            grace.begin(BROKEN)  # what is left running must end, too, before asyncio.run returns

    try:
        return asyncio.run(stoppable())
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Interrupted from None
    finally:
        for grace in graces:
            grace.over()


@contextmanager
def _stopped_by_signals(grace: _Grace) -> Iterator[None]:
    """Signals cancel the running task and begin ``grace``, also while code keeps the event loop busy."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    interrupt = signal.getsignal(signal.SIGINT)  # asyncio's own, unless someone said otherwise

    def stop(number: int, frame: FrameType | None) -> None:
        grace.begin(INTERRUPTED)
        if number == signal.SIGINT and callable(interrupt):
            interrupt(number, frame)
        elif task is not None:
            loop.call_soon_threadsafe(task.cancel)

    numbers = [signal.SIGTERM] if sys.platform != "win32" else []
    numbers += [signal.SIGINT] if callable(interrupt) else []
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@final
class _Grace:
    """The time between being told to stop and being ended by force.

    Ending by force is what ``kill -9`` does: what was reported is on the disk, and workers see that nobody asks any
    more.

    Args:
        loop: where the work is done; this thread runs it.
        grace_s: seconds that closing may take.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, grace_s: float) -> None:
        self._loop = loop
        self._status = BROKEN
        self._grace_s = grace_s
        self._timer = threading.Timer(grace_s, self._end)
        self._timer.daemon = True
        self._begun = threading.Lock()
        self._thread = threading.get_ident()

    def begin(self, status: int) -> None:
        """Start the clock; again has no effect.

        Args:
            status: to end with, unless there is a part to blame.
        """
        if self._begun.acquire(
            blocking=False
        ):  # in one step: a second signal may come while the first starts the timer
            self._status = status
            self._timer.start()

    def over(self) -> None:
        """Everything has ended in good order."""
        self._timer.cancel()

    def _end(self) -> None:
        try:
            why = "a computation went on"
            if (place := self._still_in()) is not None:
                self._status = BROKEN
                why = f"{place} goes on although it was cancelled; asyncio.CancelledError must be let through"
            echo(
                f"leanebm: ended by force, {self._grace_s:g} s after it should have stopped: {why}. "
                "What was reported is kept",
                err=True,
            )
            sys.stdout.flush()
        finally:
            os._exit(self._status)

    def _still_in(self) -> str | None:
        """Where code that is not ours goes on, busy or waiting."""
        from leanebm._whereabouts import where_tasks_are, where_thread_is

        busy = where_thread_is(sys._current_frames().get(self._thread))  # noqa: SLF001 - as faulthandler does
        return busy or where_tasks_are(asyncio.all_tasks(self._loop))


@contextmanager
def saying_when_stopped(message: Callable[[], str]) -> Iterator[None]:
    """If the user stops what is inside, say ``message()`` and end with the status for that."""
    try:
        yield
    except Interrupted:
        echo(message(), err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None


def typed_command(context: click.Context, flag: str | None = None) -> str:
    """The command line that was typed, with a word in place of the API key; with ``flag``, if that is given."""
    key = context.params.get("api_key")
    hidden = {key: "KEY", f"--api-key={key}": "--api-key=KEY"}
    typed = [hidden.get(word, word) for word in context.meta.get("leanebm.typed", [])]
    return shlex.join(["leanebm", *typed, *([] if flag is None or flag in typed else [flag])])


@contextmanager
def failing_clearly() -> Iterator[None]:
    """End the program with one clear message where leanebm raised on purpose; let bugs through."""
    try:
        yield
    except (ConfigError, StatementError) as error:
        raise _exit(str(error), BAD_INPUT) from error
    except LeanEbmError as error:
        raise _exit(str(error), BROKEN) from error
    except (Interrupted, KeyboardInterrupt):  # the second where no event loop ran
        raise _exit("Stopped.", INTERRUPTED) from None
    except BrokenPipeError:
        raise  # whoever read our output has seen enough; click ends quietly then
    except OSError as error:
        from leanebm.storage import is_wrong_place

        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        told = f"the operating system refused: {error}{'; make room, and call it again' if is_full else ''}"
        raise _exit(told, BAD_INPUT if is_wrong_place(error) else BROKEN) from error


_BY_PATH = "leanebm.options"
"""Where a context keeps the options of its command, by the setting that each stands for."""

_SETTING = re.compile(r"\$(?P<path>(?:\.\w+)+)")


def name_options(options: Mapping[str, str]) -> None:
    """Have the running command's last message name these options where it names the settings that they stand for.

    Args:
        options: such as ``{"config.search.budget.max_expansions": "--budget"}``.
    """
    click.get_current_context().meta.setdefault(_BY_PATH, {}).update(options)


def with_options(message: str, options: Mapping[str, str]) -> str:
    """``message``, in which ``$.config.scorer.alpha`` has become ``--scorer alpha``, if that is among ``options``.

    What no option stands for is named as in the run's ``config.toml``.
    """

    def named(found: re.Match[str]) -> str:
        keys = found["path"].removeprefix(".").split(".")
        for end in range(len(keys), 0, -1):
            if (option := options.get(".".join(keys[:end]))) is not None:
                return " ".join([option, *keys[end:]])
        return ".".join(keys[1:]) if keys[0] == "config" and keys[1:] else found[0]

    lines = _SETTING.sub(named, message).split("\n")
    # One option may stand for two settings.
    return "\n".join(line for number, line in enumerate(lines) if line[:4] != "  - " or line not in lines[:number])


def _exit(message: str, status: int) -> click.exceptions.Exit:
    context = click.get_current_context(silent=True)
    message = with_options(message, {} if context is None else context.meta.get(_BY_PATH, {}))
    echo(f"leanebm: {message}" if status != INTERRUPTED else message, err=True)
    _log.debug("exit status %d", status, exc_info=True)
    return click.exceptions.Exit(status)
