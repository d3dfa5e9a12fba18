"""A Lean file as people write it, and changes to it that leave every other byte as it was."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final, Self

import attrs

from leanebm._shown import fitting_repr, reason, shown
from leanebm.core.theorem_text import lean_commands
from leanebm.errors import ConfigError
from leanebm.storage import read_regular

MAX_FILE_BYTES: Final = 2**20  # far more than Lean is given, which says so better

_BOM: Final = b"\xef\xbb\xbf"

_IMPORT: Final = re.compile(r"import\s+(\S+)\s*(?:--.*)?")

_MODULE_PART: Final = r"(?:[^\W\d][\w'!?]*|«[^«»/\\\s]+»)"

_MODULE: Final = re.compile(rf"{_MODULE_PART}(?:\.{_MODULE_PART})*")

_MAX_MODULE_BYTES: Final = 200  # a part of it becomes the name of a file

_SHOWN_IMPORTS: Final = 3

_SHOWN_LEMMAS: Final = 10

_LEANS_OWN: Final = frozenset({"Init", "Std", "Lean", "Lake"})


def refuse_odd_imports(path: Path, imports: Sequence[str]) -> None:
    """Refuse a file that imports what no module can be called.

    Raises:
        ConfigError: it does.
    """
    if wrong := [name for name in imports if not _is_module(name)]:
        raise ConfigError(
            f"{path} imports what cannot be the name of a module: {', '.join(map(shown, wrong[:_SHOWN_IMPORTS]))}"
        )


def _is_module(name: str) -> bool:
    """Whether a module can have this name."""
    return len(name.encode()) <= _MAX_MODULE_BYTES and name.isprintable() and _MODULE.fullmatch(name) is not None


@attrs.frozen
class Edit:
    """A piece of text that takes the place of another."""

    start: int
    """Where it begins, in bytes of :attr:`LeanFile.source`."""

    stop: int
    text: str


@attrs.frozen(kw_only=True)
class LeanFile:
    """A file, and what Lean reads of it."""

    path: Path = attrs.field(converter=Path)
    content: bytes = attrs.field(repr=False)
    """The file as it is."""

    imports: tuple[str, ...]
    source: str = attrs.field(repr=False)
    """The text that Lean is given: without byte order mark, every line ended by a line feed alone, and with blanks in
    place of the import lines, so that lines and columns are the file's."""

    _returns: tuple[int, ...] = attrs.field(repr=False)
    """Where carriage returns were left out, in bytes of ``source``."""

    __repr__ = fitting_repr

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file.

        Raises:
            ConfigError: it is not a regular file, is larger than a MiB, cannot be read, imports what cannot be a
                module, or has a ``lemma`` and imports nothing that may know this word.
        """
        path = Path(path)
        try:
            content = read_regular(path, max_bytes=MAX_FILE_BYTES)
            text = content.removeprefix(_BOM).decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read {path}: {reason(error)}") from error
        pieces = [len(piece.encode()) for piece in text.split("\r\n")[:-1]]
        returns = [end + number for number, end in enumerate(accumulate(pieces))]
        imports, source = _without_imports(text.replace("\r\n", "\n"))
        refuse_odd_imports(path, imports)
        _refuse_lemmas(path, imports, source)
        return cls(path=path, content=content, imports=imports or ("Init",), source=source, returns=tuple(returns))

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of the byte ``offset`` of :attr:`source`, both from 1."""
        before = self.source.encode()[:offset].decode()
        return before.count("\n") + 1, len(before) - before.rfind("\n")

    def edited(self, edits: Iterable[Edit]) -> bytes:
        """The file with some changes, which do not overlap; all other bytes are as they were."""
        newline = "\r\n" if 2 * len(self._returns) > self.source.count("\n") else "\n"
        pieces, at = [], 0
        for edit in sorted(edits, key=lambda edit: edit.start):
            pieces += [self.content[at : self._in_content(edit.start)], edit.text.replace("\n", newline).encode()]
            at = self._in_content(edit.stop)
        return b"".join([*pieces, self.content[at:]])

    def _in_content(self, offset: int) -> int:
        mark = len(_BOM) if self.content.startswith(_BOM) else 0
        return mark + offset + bisect_left(self._returns, offset)


def edited_source(source: str, edits: Sequence[Edit]) -> str:
    """``source`` with some changes, which do not overlap."""
    data, pieces, at = source.encode(), [], 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        pieces += [data[at : edit.start], edit.text.encode()]
        at = edit.stop
    return b"".join([*pieces, data[at:]]).decode()


def shifted(offset: int, edits: Iterable[Edit]) -> int:
    """Where the byte ``offset`` of a text is after changes to what stands before it."""
    before = [edit for edit in edits if edit.stop <= offset]
    return offset + sum(len(edit.text.encode()) - (edit.stop - edit.start) for edit in before)


def _without_imports(text: str) -> tuple[tuple[str, ...], str]:
    """The modules that a text begins with the import of, and the text with blanks in place of those lines."""
    imports, pieces, at = [], [], 0
    for command in lean_commands(text):
        if command.keyword == "import":
            stop = command.keyword_start + len(text[command.keyword_start :].partition("\n")[0])
            match = _IMPORT.fullmatch(text, command.keyword_start, stop)
            if match is None or command.keyword_start != command.start:  # nothing but comments may stand before it
                break
            imports.append(match[1])
            pieces += [text[at : command.keyword_start], _blanks(text[command.keyword_start : stop])]
            at = stop
        elif command.keyword:
            break
    return tuple(imports), "".join([*pieces, text[at:]])


def _refuse_lemmas(path: Path, imports: Sequence[str], source: str) -> None:
    """Lean's own library does not know ``lemma``; its messages would blame the text before or after it."""
    if not all(name.split(".")[0] in _LEANS_OWN for name in imports):
        return
    places = [command.keyword_start for command in lean_commands(source) if command.keyword == "lemma"]
    if places:
        lines = [source.count("\n", 0, place) + 1 for place in places[:_SHOWN_LEMMAS]]
        more = f" … and {len(places) - len(lines)} more" if len(places) > len(lines) else ""
        listed = f"{'lines' if len(places) > 1 else 'line'} {', '.join(map(str, lines))}{more}"
        raise ConfigError(f"`lemma` is Mathlib's word, which {path} does not import: write `theorem` ({listed})")


def _blanks(text: str) -> str:
    """As many blanks as ``text`` has bytes."""
    return " " * len(text.encode())
