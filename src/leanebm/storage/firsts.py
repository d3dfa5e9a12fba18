"""Which of several workers was the first to have a theorem on the disk."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Final, final

from leanebm._shown import named_repr, reason
from leanebm.errors import TrajectoryError
from leanebm.storage.atomic_file import not_written
from leanebm.storage.file_stem import file_stem
from leanebm.storage.regular_file import read_regular

FIRSTS_FOLDER: Final = ".first"  # hidden, so that nobody takes it for a worker's part

_MAX_NAME_BYTES: Final = 4096


@final
class Firsts:
    """Marks in a folder of shards: ``.first/NAME.0`` holds the name of the part that was first with a final record.

    A part sets its mark once its record is on the disk. Of several that create one file exclusively, one succeeds, so
    a mark never changes. What was deleted leaves a mark that means nothing; the next one is ``NAME.1``, and the first
    one that means something counts.

    Args:
        folder: the folder of shards, in which the parts are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FIRSTS_FOLDER

    __repr__ = named_repr("_folder")

    def counts(self) -> Counter[str]:
        """How many marks there are, by the stem of the theorem's files."""
        try:
            return Counter(entry.name.rpartition(".")[0] for entry in os.scandir(self._folder))
        except FileNotFoundError:
            return Counter()

    def empty(self) -> set[str]:
        """The stems of empty marks: whoever was setting them was killed just then, or the disk was full."""
        try:
            return {entry.name.rpartition(".")[0] for entry in os.scandir(self._folder) if not entry.stat().st_size}
        except FileNotFoundError:
            return set()

    def put(self, theorem: str, number: int, part: str) -> None:
        """Say that ``part`` was first, unless somebody has said so of himself.

        Raises:
            ConfigError, TrajectoryError: the folder cannot be written to.
        """
        try:
            self._folder.mkdir(exist_ok=True)
            with contextlib.suppress(FileExistsError), self._mark(theorem, number).open("xb") as file:
                file.write(os.fsencode(part))
        except OSError as error:
            raise not_written(self._folder, error) from error

    def among(self, theorem: str, parts: Collection[str]) -> str | None:
        """Which of ``parts``, that all have a final record of the theorem, was first; ``None`` if nothing says so.

        Raises:
            TrajectoryError: a mark cannot be read.
        """
        for number in itertools.count():
            mark = self._mark(theorem, number)
            try:
                part = os.fsdecode(read_regular(mark, max_bytes=_MAX_NAME_BYTES))
            except FileNotFoundError:
                return None
            except OSError as error:
                raise TrajectoryError(f"{mark} cannot be read: {reason(error)}") from error
            if part in parts:
                return part
        raise AssertionError("numbers do not end")

    def _mark(self, theorem: str, number: int) -> Path:
        return self._folder / f"{file_stem(theorem)}.{number}"
