"""Folders that are prepared once, whole or not at all, however many processes want them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import filelock

from leanebm._cancelled import check_wanted
from leanebm.errors import LeanInstallError
from leanebm.lean._child import run_child
from leanebm.lean.embedded.download import InstallProgress, InstallStage
from leanebm.lean.embedded.embedded_lean import node_flags, worker_environment

MANIFEST_NAME: Final = "complete.json"
"""Says which files a prepared folder has. It is written last, so a folder without one is not complete."""

logger = logging.getLogger(__name__)

_LOCK_DEADLINE_S = 3600.0

_LOCK_POLL_S = 0.5

_TEMPORARY_PREFIX: Final = "preparing-"


def record_content(folder: Path) -> None:
    """Write down, for good, which files are in ``folder``: from here on it counts as complete."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST_NAME)
    files = {path.relative_to(folder).as_posix(): {"size": path.stat().st_size} for path in paths}
    with (folder / MANIFEST_NAME).open("w", encoding="utf-8") as file:
        json.dump({"files": files}, file, indent=0)
        file.flush()
        os.fsync(file.fileno())


def is_complete(folder: Path) -> bool:
    """Whether ``folder`` was prepared to the end and its files are still as they were, by name and size."""
    try:
        files = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))["files"]
        found = (_difference(folder / name, name, record["size"]) for name, record in files.items())
        damage = [difference for difference in found if difference is not None]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False
    if damage:
        logger.warning("%s is damaged: %s", folder, "; ".join(damage[:3]))
    return not damage


def _difference(path: Path, name: str, expected: int) -> str | None:
    try:
        size = path.stat().st_size
    except OSError:
        return f"{name} is missing"
    return None if size == expected else f"{name} has {size} bytes, not {expected}"


def locked(root: Path, progress: InstallProgress) -> filelock.BaseFileLock:
    """The lock of ``root``, acquired; release it by leaving it as a context manager.

    Raises:
        LeanInstallError: another process held it for an hour.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(root / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        logger.info("another process is preparing %s; waiting for it", root)
        progress(InstallStage.WAIT, None)
        _wait_for(lock, root)
    return lock


def _wait_for(lock: filelock.BaseFileLock, root: Path) -> None:
    deadline = time.monotonic() + _LOCK_DEADLINE_S
    while True:
        check_wanted()
        try:
            lock.acquire(timeout=_LOCK_POLL_S)
        except filelock.Timeout:
            if time.monotonic() > deadline:
                raise LeanInstallError(f"another process has been preparing {root} for an hour; end it first") from None
        else:
            return


def prepare_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Make ``folder`` anew with what ``fill`` puts into it. The caller holds the lock of its parent.

    ``fill`` works in a sibling that takes the name of ``folder`` only when it is complete. What an
    installation that was killed left behind is removed first: the lock says that nobody uses it.
    """
    parent = folder.parent
    for leftover in parent.glob(f"{_TEMPORARY_PREFIX}*"):
        logger.info("removing %s, which an unfinished installation left behind", leftover)
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_TEMPORARY_PREFIX, dir=parent, ignore_cleanup_errors=True) as temporary:
        content = Path(temporary, "content")
        content.mkdir()
        fill(content)
        record_content(content)
        if folder.exists():
            folder.rename(Path(temporary, "broken"))  # removed together with the rest
        content.rename(folder)


_COMPILE_DEADLINE_S = 600.0

_STACK_KIB: Final = 6_000  # the main thread keeps the 8 MiB that every system gives it

_SOURCE_NAMES: Final = ("Repl.lean", "compile.lean", "launch_image.js", "runtime.js")
"""What decides what is in the folder of a compiled REPL. The REPL and its compiler come first."""


def repl_key(runtime_key: str, sources: Path) -> str:
    """Names one compiled REPL: changes when its source, its compiler or the Lean below it does."""
    digest = hashlib.sha256(runtime_key.encode())
    for name in _SOURCE_NAMES:
        content = (sources / name).read_bytes()
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()[:16]


def compile_repl(node: Path, runtime: Path, into: Path, sources: Path) -> None:
    """Compile ``Repl.lean`` into ``into``, and start it once; takes half a minute and 1.7 GB.

    Raises:
        LeanInstallError: Lean refused the source, or did not finish; its messages are in the error.
    """
    compile_module(node, runtime, sources / _SOURCE_NAMES[0], into / "Repl.olean", sources)
    _write_image(node, runtime, into, sources)


def _write_image(node: Path, runtime: Path, repl: Path, sources: Path) -> None:
    """Write down the memory of a worker over ``Init`` that is about to be ready."""
    image = repl / "Init.image"
    files = (sources / "launch_image.js", runtime / "lean.js", "ReplProgram", image, "Init")
    argv = [str(node), *node_flags(_STACK_KIB), *map(str, files)]
    env = worker_environment() | {"LEAN_PATH": f"{runtime / 'lib'}:{repl}"}
    result = run_child(argv, cwd=repl, env=env, deadline_s=_COMPILE_DEADLINE_S)
    if result.timed_out:
        raise LeanInstallError(f"starting Lean for the first time did not end within {_COMPILE_DEADLINE_S:.0f} s")
    if result.status != 0 or not image.is_file():
        raise LeanInstallError(
            f"Lean could not be started for the first time (exit status {result.status}); please report this. "
            f"It said:\n{result.output}"
        )


def compile_module(node: Path, runtime: Path, source: Path, out: Path, sources: Path) -> None:
    """Compile ``source``, with the compiler among ``sources``; ``out`` is named after the module.

    Beside ``out``, ``M.olean``, are written ``MProgram.olean``, its code with all that it needs to run and without any
    import, and ``M.calls``: what it calls of the library.

    Raises:
        LeanInstallError: Lean refused the source, or did not finish; its messages are in the error.
    """
    flags = node_flags(_STACK_KIB)
    files = (sources / "launch_compile.js", runtime, runtime / "lib", sources / _SOURCE_NAMES[1], source, out)
    argv = [str(node), *flags, *map(str, files)]
    result = run_child(argv, cwd=out.parent, env=worker_environment(), deadline_s=_COMPILE_DEADLINE_S)
    if result.timed_out:
        raise LeanInstallError(f"compiling {source.name} did not end within {_COMPILE_DEADLINE_S:.0f} s")
    if result.status != 0 or not out.with_name(f"{out.stem}Program.olean").is_file():
        raise LeanInstallError(
            f"{source.name} could not be compiled (exit status {result.status}); if you did not change it, "
            f"please report this. Lean said:\n{result.output}"
        )
    if result.output:
        logger.debug("compiling %s: %s", source.name, result.output)
