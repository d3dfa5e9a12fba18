"""A helper program that is run to its end, or killed with all its children."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from leanebm._cancelled import check_wanted
from leanebm.lean._guard import CANNOT_RUN
from leanebm.lean.backends.base import minimal_environment

GUARD: Final = Path(__file__).with_name("_guard.py")
"""What a program is started through that must not outlive us."""

_POLL_S = 0.2

_ORDERLY_END_S = 2.0

_OUTPUT_TAIL_BYTES = 16 * 1024


@attrs.frozen(kw_only=True)
class ChildResult:
    """How a helper program ended."""

    status: int
    """Its exit status; negative for the signal that ended it."""

    timed_out: bool
    """Whether it was killed because its deadline passed."""

    output: str
    """The end of what it wrote, standard output and error together."""


def run_child(
    argv: Sequence[str],
    *,
    cwd: Path,
    deadline_s: float,
    env: Mapping[str, str] | None = None,
    on_poll: Callable[[], None] = lambda: None,
) -> ChildResult:
    """Run ``argv`` and wait; ``on_poll`` is called a few times per second meanwhile.

    However this ends, by an exception of ``on_poll`` or ``KeyboardInterrupt`` too, or because we are killed, the
    program and its children are gone. Unless ``env`` is given, its environment is the minimal one that workers get.

    Raises:
        OSError: the program cannot be started.
        GivenUpError: nobody waits for this thread any more.
    """
    guarded, lifeline = os.pipe()
    with tempfile.TemporaryFile() as output, contextlib.ExitStack() as pipe:
        pipe.callback(os.close, lifeline)
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), str(guarded), "0", *argv],
                cwd=cwd,
                env=minimal_environment() if env is None else env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(guarded,),
                start_new_session=True,
            )
        finally:
            os.close(guarded)
        try:
            os.write(lifeline, b"!")
            timed_out = not _wait(process, time.monotonic() + deadline_s, on_poll)
        finally:
            pipe.close()  # the guard kills the program and reaps it, and all its group
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_ORDERLY_END_S)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(max(0, output.seek(0, os.SEEK_END) - _OUTPUT_TAIL_BYTES))
        text = output.read().decode(errors="replace").strip()
    if process.returncode == CANNOT_RUN and text.startswith("cannot run "):
        raise OSError(text)
    return ChildResult(status=process.returncode, timed_out=timed_out, output=text)


def _wait(process: subprocess.Popen[bytes], deadline: float, on_poll: Callable[[], None]) -> bool:
    """Whether it ended before ``deadline`` (on the monotonic clock)."""
    while time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_S)
            return True
        check_wanted()
        on_poll()
    return False
