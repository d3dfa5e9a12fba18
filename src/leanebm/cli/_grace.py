"""Ends a command that was to end and does not: a part of the user's may swallow its cancellation."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import final

from leanebm._whereabouts import where_tasks_are, where_thread_is
from leanebm.cli._echo import echo
from leanebm.cli._running import BROKEN


@final
class Grace:
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
        self._thread = threading.get_ident()

    def begin(self, status: int) -> None:
        """Start the clock; again has no effect.

        Args:
            status: to end with, unless there is a part to blame.
        """
        if self._timer.ident is None:
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
        busy = where_thread_is(sys._current_frames().get(self._thread))  # noqa: SLF001 - as faulthandler does
        return busy or where_tasks_are(asyncio.all_tasks(self._loop))
