"""A helper program that is run to its end, or killed with all its children."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from leanebm.lean.backends.base import minimal_environment

_POLL_S = 0.2

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

    However this ends, by an exception of ``on_poll`` or ``KeyboardInterrupt`` too, the program and
    its children are gone. Unless ``env`` is given, its environment is the minimal one that workers get.

    Raises:
        OSError: the program cannot be started.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=minimal_environment() if env is None else env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            timed_out = not _wait(process, time.monotonic() + deadline_s, on_poll)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(max(0, output.seek(0, os.SEEK_END) - _OUTPUT_TAIL_BYTES))
        text = output.read().decode(errors="replace").strip()
    return ChildResult(status=process.returncode, timed_out=timed_out, output=text)


def _wait(process: subprocess.Popen[bytes], deadline: float, on_poll: Callable[[], None]) -> bool:
    """Whether it ended before ``deadline`` (on the monotonic clock)."""
    while time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_S)
            return True
        on_poll()
    return False
