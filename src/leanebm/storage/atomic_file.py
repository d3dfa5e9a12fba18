"""Puts a file in place whole."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import tempfile
from pathlib import Path
from typing import Final

from leanebm._shown import reason
from leanebm.errors import ConfigError, TrajectoryError

SCRATCH_SUFFIX: Final = ".part"
"""Ends the name of a file that is being written, ``.NAME-….part``; a killed writer leaves one behind."""


_WRONG_PLACE: Final = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS),  # not allowed
        *(errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL),
    }
)
"""What the operating system says of a place that somebody named, rather than of a disk that is full or broken."""


def is_wrong_place(error: OSError) -> bool:
    """Whether whoever named the path can mend it by naming another one."""
    return error.errno in _WRONG_PLACE


def not_written(path: str | os.PathLike[str], error: OSError) -> ConfigError | TrajectoryError:
    """What to raise where ``path`` could not be written: a wrong place is a wrong setting, a full disk is not."""
    if is_wrong_place(error):
        return ConfigError(f"{path} cannot be written to: {reason(error)}; choose another place")
    return TrajectoryError(f"{path} could not be written: {reason(error)}")


def refuse_unwritable(path: str | os.PathLike[str]) -> None:
    """Refuse ``path`` before any work if nothing can be written there, as far as can be told without writing.

    Raises:
        ConfigError: the nearest thing above it that exists is not a folder, or cannot be written to.
    """
    nearest = Path(path).resolve()
    while not nearest.exists():
        nearest = nearest.parent
    if nearest == Path(path).resolve() and nearest.is_file():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise ConfigError(f"{path} cannot be written to: {nearest} is not a folder; choose another place")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(f"{path} cannot be written to: {nearest} does not allow it; choose another place")


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
