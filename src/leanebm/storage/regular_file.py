"""Reads files that others name: regular ones only, up to a size."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

MAX_TEXT_BYTES: Final = 16 * 2**20
"""Largest file that is read as one text: settings, records, reports."""

MAX_DATA_BYTES: Final = 4 * 2**30
"""Largest file of theorems, tactic pairs or weights."""

_OTHER_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def open_regular(path: str | os.PathLike[str], *, max_bytes: int = MAX_DATA_BYTES) -> Iterator[BinaryIO]:
    """Open a regular file for reading: one may wait for ever for a pipe, and never reach the end of a device.

    Raises:
        OSError: it cannot be opened, is not a regular file, or is larger than ``max_bytes``.
    """
    if "\0" in os.fspath(path):
        raise OSError("a file name cannot hold a NUL character")
    _check(os.stat(path), max_bytes)  # noqa: PTH116 - opening some devices has effects, so look first
    with open(path, "rb", opener=_open_without_waiting) as file:
        _check(os.fstat(file.fileno()), max_bytes)  # another may have taken its place
        yield file


def read_regular(path: str | os.PathLike[str], *, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """All bytes of a regular file.

    Raises:
        OSError: as :func:`open_regular`.
    """
    with open_regular(path, max_bytes=max_bytes) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:  # it grew, or is of a file system that does not say how large it is
        raise OSError(_too_large(f"more than {max_bytes}", max_bytes))
    return data


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check(found: os.stat_result, max_bytes: int) -> None:
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG:
        remedy = "; save what comes out of it, and name that file" if kind == stat.S_IFIFO else ""
        raise OSError(f"it is {_OTHER_KINDS.get(kind, 'something else')}, and only regular files are read{remedy}")
    if found.st_size > max_bytes:
        raise OSError(_too_large(str(found.st_size), max_bytes))


def _too_large(size: str, max_bytes: int) -> str:
    return f"it has {size} bytes, and at most {max_bytes} are read"
