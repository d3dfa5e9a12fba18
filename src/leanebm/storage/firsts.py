"""Which of several workers was the first to have ended a theorem, as the disk says."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, final

from leanebm._shown import named_repr, reason
from leanebm.errors import TrajectoryError
from leanebm.storage.atomic_file import not_written, write_next
from leanebm.storage.file_stem import file_stem
from leanebm.storage.regular_file import open_regular

FIRSTS_FOLDER: Final = ".first"  # hidden, so that nobody takes it for a worker's part

WHOLE_FOLDER: Final = "."
"""What the folder itself is called, beside its parts."""

_MAX_NAME_BYTES: Final = 4096


@final
class Firsts:
    """Marks in a folder of shards: ``.first/NAME.0`` holds the name of the part that was first to end a theorem.

    A part sets its mark once its record is on the disk. Of several that create one file exclusively, one succeeds, so
    a mark never changes. What a mark says counts if that part has a record of the theorem. One whose record was deleted
    says nothing, nor does one that is empty or damaged. Who begins when there are marks sets the next one, ``NAME.1``.

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

    def put(self, theorem: str, number: int, part: str) -> None:
        """Say that ``part`` was first, unless a mark of that number, or of a later one, names a part.

        Raises:
            ConfigError, TrajectoryError: the folder cannot be written to.
        """
        try:
            write_next(self._folder, self._unset(theorem, number), os.fsencode(part))
        except OSError as error:
            raise not_written(self._folder, error) from error

    def parts(self, theorem: str) -> Iterator[str]:
        """What the marks hold, in their order.

        Raises:
            TrajectoryError: a mark cannot be read.
        """
        for number in itertools.count():
            mark = self._mark(theorem, number)
            try:
                yield _content(mark)
            except FileNotFoundError:
                return
            except OSError as error:  # what it holds may be good
                raise TrajectoryError(f"{mark} cannot be read: {reason(error)}") from error

    def _unset(self, theorem: str, number: int) -> Iterator[str]:
        """The names of marks of which one is to be set: a further one only where the one before names no part."""
        for each in itertools.count(number):
            mark = self._mark(theorem, each)
            yield mark.name
            if _content(mark) in {WHOLE_FOLDER, *(entry.name for entry in os.scandir(self._folder.parent))}:
                return

    def _mark(self, theorem: str, number: int) -> Path:
        return self._folder / f"{file_stem(theorem)}.{number}"


def _content(mark: Path) -> str:
    with open_regular(mark) as file:
        return os.fsdecode(file.read(_MAX_NAME_BYTES))
