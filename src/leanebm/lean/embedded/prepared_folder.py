"""Folders that are prepared once, whole or not at all, however many processes want them."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import filelock

from leanebm.errors import LeanInstallError
from leanebm.lean.embedded.manifest import Manifest
from leanebm.lean.embedded.progress import InstallProgress, InstallStage

__all__ = ["is_complete", "locked", "prepare_folder"]

logger = logging.getLogger(__name__)

_LOCK_DEADLINE_S = 3600.0
_TEMPORARY_PREFIX: Final = "preparing-"


def is_complete(folder: Path) -> bool:
    """Whether ``folder`` was prepared to the end and its files are still as they were, by name and size."""
    manifest = Manifest.read(folder)
    if manifest is None:
        return False
    damage = manifest.damage(folder)
    if damage:
        logger.warning("%s is damaged: %s", folder, "; ".join(damage[:3]))
    return not damage


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
        try:
            lock.acquire(timeout=_LOCK_DEADLINE_S)
        except filelock.Timeout:
            raise LeanInstallError(f"another process has been preparing {root} for an hour; end it first") from None
    return lock


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
        Manifest.of(content).write(content)
        if folder.exists():
            folder.rename(Path(temporary, "broken"))  # removed together with the rest
        content.rename(folder)
