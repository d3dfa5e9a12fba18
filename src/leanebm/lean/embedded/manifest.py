"""The list of files that makes a prepared folder complete."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Final, Self

import attrs

__all__ = ["MANIFEST_NAME", "Manifest"]

MANIFEST_NAME: Final = "complete.json"


@attrs.frozen
class FileRecord:
    """What a file was when the folder was prepared."""

    size: int
    """Bytes."""

    sha256: str
    """Hash of its content, in hexadecimal."""


@attrs.frozen
class Manifest:
    """Every file of a prepared folder. It is written last, so a folder without one is not complete."""

    files: dict[str, FileRecord]
    """By path relative to the folder."""

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Record what is in ``folder`` now."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST_NAME)
        return cls({path.relative_to(folder).as_posix(): _record(path) for path in paths})

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The manifest of ``folder``; ``None`` where there is none or it cannot be read."""
        try:
            records = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
            return cls({path: FileRecord(**record) for path, record in records["files"].items()})
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def write(self, folder: Path) -> None:
        """Write it to the disk for good: from here on the folder counts as complete."""
        with (folder / MANIFEST_NAME).open("w", encoding="utf-8") as file:
            json.dump(attrs.asdict(self), file, indent=0)
            file.flush()
            os.fsync(file.fileno())

    def damage(self, folder: Path, *, compare_hashes: bool = False) -> list[str]:
        """What is missing or changed in ``folder``, a sentence each; sizes only, unless ``compare_hashes``."""
        return [
            problem
            for path, expected in self.files.items()
            if (problem := _difference(folder / path, path, expected, compare_hashes)) is not None
        ]


def _record(path: Path) -> FileRecord:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileRecord(size=path.stat().st_size, sha256=digest)


def _difference(path: Path, name: str, expected: FileRecord, compare_hashes: bool) -> str | None:
    try:
        size = path.stat().st_size
        if size != expected.size:
            return f"{name} has {size} bytes, not {expected.size}"
        if compare_hashes and _record(path) != expected:
            return f"{name} has another content"
    except OSError:
        return f"{name} is missing"
    return None
