"""Puts a file in place whole."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from pathlib import Path
from typing import Final

SCRATCH_SUFFIX: Final = ".part"
"""Ends the name of a file that is being written, ``.NAME-….part``; a killed writer leaves one behind."""


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` so that a reader, or a crash, meets the old file or the new one whole.

    The folder is made if it is not there.

    Raises:
        OSError: the disk is full, the folder cannot be written …; the old file stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=SCRATCH_SUFFIX)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(scratch).chmod(0o644)  # mkstemp makes it private
        Path(scratch).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(scratch).unlink()
        raise
    sync_directory(path.parent)


def remove_scratch(folder: str | os.PathLike[str], name: str | None = None) -> None:
    """Remove what killed writers left half-written in ``folder``. Only for the one process that writes there.

    Args:
        folder: need not exist.
        name: the only file whose remains are removed; ``None`` for all.
    """
    begun = "" if name is None else f"{glob.escape(name)}-"
    for scratch in Path(folder).glob(f".{begun}*{SCRATCH_SUFFIX}"):
        scratch.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Make the new name last, too: a file's own bytes do not include it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
