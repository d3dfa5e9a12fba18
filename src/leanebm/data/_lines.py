"""Lines of a text file that a person may have written: bounded, numbered, and told what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import BinaryIO, Final

__all__ = ["MAX_LINE_BYTES", "BadLine", "decode_line", "json_object", "numbered_lines"]

MAX_LINE_BYTES: Final = 1024 * 1024
"""Longest line accepted, in bytes; a longer one is reported and never held in memory as a whole."""

_UTF8_BOM: Final = b"\xef\xbb\xbf"


class BadLine(ValueError):
    """A line that is not what it should be; the message says why."""


def numbered_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; of an over-long one, just enough to see that it is one."""
    for number in count(1):
        line = piece = file.readline(MAX_LINE_BYTES + 1)
        if not line:
            return
        while len(piece) > MAX_LINE_BYTES and not piece.endswith(b"\n"):
            piece = file.readline(MAX_LINE_BYTES + 1)
        yield number, line.removeprefix(_UTF8_BOM) if number == 1 else line


def decode_line(line: bytes) -> str:
    """The line's text, without white space around it.

    Raises:
        BadLine: it is too long, or not UTF-8.
    """
    if len(line) > MAX_LINE_BYTES:
        raise BadLine(f"the line is longer than {MAX_LINE_BYTES} bytes")
    try:
        return line.decode("utf-8").strip(" \t\r\n")
    except UnicodeDecodeError as error:
        raise BadLine(f"byte {error.start + 1} of the line is not UTF-8") from error


def json_object(line: str, *, example: str) -> dict[str, object]:
    """The JSON object that a line holds.

    Raises:
        BadLine: it holds something else, which is not such as ``example``, or a key twice.
    """
    try:
        value = json.loads(line, object_pairs_hook=_unique_keys)
    except BadLine:
        raise
    except (ValueError, RecursionError) as error:
        raise BadLine(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadLine(f"not a JSON object, such as {example}")
    return value


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise BadLine(f"a key is given twice, among {sorted(keys)}")
    return dict(pairs)
