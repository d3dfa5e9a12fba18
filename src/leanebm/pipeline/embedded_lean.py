"""Prepares the embedded Lean while the event loop goes on, and stops when it is told to."""

from __future__ import annotations

import asyncio
import threading

from leanebm.lean.embedded import InstallStage, install
from leanebm.pipeline.events import Observer, StageProgressed

__all__ = ["PREPARING_LEAN", "prepare_embedded_lean"]

PREPARING_LEAN = "preparing Lean"


class _Cancelled(Exception):
    """Ends an installation that nobody waits for any more."""


async def prepare_embedded_lean(observer: Observer) -> None:
    """Install the embedded Lean if it is not there yet, telling ``observer`` how far it is.

    Cancelling stops the installation; what is half done is not used later.

    Raises:
        LeanInstallError: it cannot be installed; the message says what to do.
    """
    loop = asyncio.get_running_loop()
    cancelled = threading.Event()

    def progress(stage: InstallStage, fraction: float | None) -> None:
        if cancelled.is_set():
            raise _Cancelled
        event = StageProgressed(PREPARING_LEAN, stage.value, fraction)
        loop.call_soon_threadsafe(observer.notify, event)

    try:
        await asyncio.to_thread(install, progress)
    except asyncio.CancelledError:
        # The thread sees this at its next step; the loop's shutdown waits for it.
        cancelled.set()
        raise
