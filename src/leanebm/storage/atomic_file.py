"""Puts a file in place whole."""

from __future__ import annotations

import contextlib
import errno
import glob
import math
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from leanebm._shown import reason
from leanebm.errors import ConfigError, TrajectoryError

SCRATCH_SUFFIX: Final = ".part"
"""Ends the name of a file that is being written, ``.NAME-….part``; a killed writer leaves one behind."""

_ABANDONED_S: Final = 3600.0

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
    """Refuse ``path`` before any work if nothing can be written there: a file without a name is made, and gone again.

    Permissions alone do not tell: they allow root everything, also in ``/proc`` and on a disk that is read-only.

    Raises:
        ConfigError: the nearest thing above it that exists is not a folder, or cannot be written to; or it is a link
            that leads to itself.
        TrajectoryError: the disk is full.
    """
    nearest = place = Path(os.path.realpath(path))  # Path.resolve raises RuntimeError for a circle
    if place.is_symlink():
        raise ConfigError(f"{path} cannot be written to: it is a link that leads to itself; choose another place")
    while not nearest.exists():
        nearest = nearest.parent
    if nearest == place and nearest.is_file():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise ConfigError(f"{path} cannot be written to: {nearest} is not a folder; choose another place")
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        if not is_wrong_place(error):
            raise not_written(path, error) from error
        raise ConfigError(f"{path} cannot be written to: {nearest} does not allow it; choose another place") from error


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` so that a reader, or a crash, meets the old file or the new one whole.

    The folder is made if it is not there.

    Raises:
        OSError: the disk is full, the folder cannot be written …; the old file stays.
    """
    path = Path(path)
    _write(path.parent, path.name, data, lambda scratch: scratch.replace(path))


def write_next(folder: str | os.PathLike[str], names: Iterable[str], data: bytes) -> None:
    """Write ``data`` under the first of ``names`` that is free; of several who do so at once, each gets one of its own.

    The folder is made if it is not there. A file is empty for a moment before it is there whole, and stays empty if its
    writer is killed just then. If no name is free, nothing is written.

    Raises:
        OSError: the disk is full, the folder cannot be written …
    """
    folder = Path(folder)

    def put(scratch: Path) -> None:
        for path in (folder / name for name in names):
            with contextlib.suppress(FileExistsError):
                path.open("x").close()
                scratch.replace(path)
                return

    _write(folder, "next", data, put)


def _write(folder: Path, name: str, data: bytes, put: Callable[[Path], object]) -> None:
    """Have ``data`` put in its place once it is on the disk, in a file beside."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _write_once(folder, name, data, put)
    except FileNotFoundError:  # this process was stopped for so long that somebody took the scratch for a dead one's
        _write_once(folder, name, data, put)
    sync_directory(folder)


def _write_once(folder: Path, name: str, data: bytes, put: Callable[[Path], object]) -> None:
    descriptor, scratch = tempfile.mkstemp(dir=folder, prefix=f".{name}-", suffix=SCRATCH_SUFFIX)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(scratch).chmod(0o644)  # mkstemp makes it private
        put(Path(scratch))
    except OSError as error:
        if error.errno is not None and error.filename is None:  # of a full disk
            error.filename = str(folder / name)
        raise
    finally:
        Path(scratch).unlink(missing_ok=True)


def remove_scratch(folder: str | os.PathLike[str], name: str | None = None, *, is_shared: bool = False) -> None:
    """Remove what killed writers left half-written in ``folder``.

    Args:
        folder: need not exist.
        name: the only file whose remains are removed; ``None`` for all.
        is_shared: whether others may be writing there now. Then what somebody has touched in the last hour stays: no
            file takes so long to be written.
    """
    begun = "" if name is None else f"{glob.escape(name)}-"
    scratches = list(Path(folder).glob(f".{begun}*{SCRATCH_SUFFIX}"))
    if not scratches:
        return
    before_s = math.inf if not is_shared else _now_s(Path(folder)) - _ABANDONED_S
    for scratch in scratches:
        with contextlib.suppress(FileNotFoundError):  # it has just been put in place
            if scratch.stat().st_mtime < before_s:
                scratch.unlink()


def remove_scratch_below(folder: str | os.PathLike[str], *, is_shared: bool) -> None:
    """Remove what killed writers left half-written in ``folder`` and all folders in it, as :func:`remove_scratch`."""
    for place in {scratch.parent for scratch in Path(folder).rglob(f".*{SCRATCH_SUFFIX}")}:
        remove_scratch(place, is_shared=is_shared)


def _now_s(folder: Path) -> float:
    """What time it is by the clock that sets the times of the folder's files, which may be another machine's."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime


def sync_directory(directory: Path) -> None:
    """Make the new name last, too: a file's own bytes do not include it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
