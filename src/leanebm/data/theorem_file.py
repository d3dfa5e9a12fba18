"""Files of theorems: what ``--theorems`` reads.

Three forms, told apart by the file's suffix:

``.jsonl``
    One JSON object a line: ``name`` and either ``statement`` (with an optional ``header`` of ``open``
    and ``universe`` lines) or ``copy_from``, the name of a library theorem. Other keys are left alone,
    so that a data set with columns of its own can be read as it is.
``.parquet``
    A file of library theorems (:mod:`leanebm.data.library_file`).
anything else
    One statement a line, named after its line (``line_17``), or ``@`` and the name of a library
    theorem (``@Nat.add_comm``). Blank lines and lines starting with ``--`` or ``#`` are skipped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO, Final

from leanebm.core import Theorem
from leanebm.data._checks import theorem_problems
from leanebm.data.library_file import read_library_file
from leanebm.errors import ConfigError

__all__ = ["MAX_LINE_BYTES", "read_theorems", "write_theorems"]

MAX_LINE_BYTES: Final = 128 * 1024
"""Longest line accepted, in bytes; a longer one is reported and never held in memory as a whole."""

_KEYS: Final = ("name", "statement", "copy_from", "header")
_UTF8_BOM: Final = b"\xef\xbb\xbf"


class _BadLine(ValueError):
    """A line that is no theorem; the message says why."""


def read_theorems(path: str | os.PathLike[str]) -> tuple[Theorem, ...]:
    """The theorems of a file, in its order.

    Lean is not asked: a statement that reads well here may still fail to elaborate.

    Raises:
        ConfigError: the file cannot be read, holds no theorem, or holds mistakes; every one of them is
            listed as ``what @ file:line``.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        return tuple(item.theorem for item in read_library_file(path))
    try:
        with path.open("rb") as file:
            theorems, problems = _read_lines(file, _parse_json if path.suffix == ".jsonl" else _parse_text)
    except OSError as error:
        raise ConfigError(f"cannot read the theorem file {path}: {error.strerror or error}") from error
    if problems:
        raise ConfigError(
            f"the theorem file {path} holds mistakes ({len(problems)}); mend them and start again",
            [f"{what} @ {path}:{number}" for number, what in problems],
        )
    if not theorems:
        raise ConfigError(f"the theorem file {path} holds no theorem")
    return theorems


def write_theorems(path: str | os.PathLike[str], theorems: Iterable[Theorem]) -> None:
    """Write theorems as JSONL, atomically; :func:`read_theorems` gives them back equal.

    Raises:
        ConfigError: the suffix is not ``.jsonl``, there is nothing to write, or there are theorems that
            could not be read back; every one of them is listed.
        OSError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".jsonl":
        raise ConfigError(f"theorems are written as JSONL: {path} should end in .jsonl")
    numbered = list(enumerate(theorems, start=1))
    if not numbered:
        raise ConfigError(f"there are no theorems to write to {path}")
    if problems := [f"{what} @ theorem {number}" for number, what in _problems(numbered)]:
        raise ConfigError(f"{path} was not written: not all theorems could be read back from it", problems)
    partial = path.with_name(f".{path.name}.tmp")
    partial.write_bytes(b"".join(_json_line(theorem) for _, theorem in numbered))
    partial.replace(path)


def _read_lines(
    file: BinaryIO, parse: Callable[[int, str], Theorem | None]
) -> tuple[tuple[Theorem, ...], list[tuple[int, str]]]:
    """The theorems, and what is wrong with which line, by line number."""
    numbered: list[tuple[int, Theorem]] = []
    problems: list[tuple[int, str]] = []
    for number, line in _numbered_lines(file):
        try:
            theorem = parse(number, _decode(line))
        except _BadLine as error:
            problems.append((number, str(error)))
        else:
            if theorem is not None:
                numbered.append((number, theorem))
    problems += _problems(numbered)
    problems.sort(key=lambda problem: problem[0])
    return tuple(theorem for _, theorem in numbered), problems


def _numbered_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; of an over-long one, just enough to see that it is one."""
    for number in count(1):
        line = piece = file.readline(MAX_LINE_BYTES + 1)
        if not line:
            return
        while len(piece) > MAX_LINE_BYTES and not piece.endswith(b"\n"):
            piece = file.readline(MAX_LINE_BYTES + 1)
        yield number, line.removeprefix(_UTF8_BOM) if number == 1 else line


def _decode(line: bytes) -> str:
    if len(line) > MAX_LINE_BYTES:
        raise _BadLine(f"the line is longer than {MAX_LINE_BYTES} bytes")
    try:
        return line.decode("utf-8").strip(" \t\r\n")
    except UnicodeDecodeError as error:
        raise _BadLine(f"byte {error.start + 1} of the line is not UTF-8") from error


def _parse_text(number: int, line: str) -> Theorem | None:
    is_comment = line.startswith("--") or (line.startswith("#") and not line.startswith("#["))  # #[1, 2] is an array
    if not line or is_comment:
        return None
    if line.startswith('{"'):
        raise _BadLine("this looks like JSON; give the file the suffix .jsonl")
    if line.startswith("@"):
        library_name = line[1:].strip()
        return _theorem(name=library_name, copy_from=library_name)
    return _theorem(name=f"line_{number}", statement=line)


def _parse_json(_: int, line: str) -> Theorem | None:
    if not line:
        return None
    try:
        value = json.loads(line, object_pairs_hook=_unique_keys)
    except _BadLine:
        raise
    except (ValueError, RecursionError) as error:
        raise _BadLine(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise _BadLine('not a JSON object, such as {"name": …, "statement": …}')
    fields = {key: value[key] for key in _KEYS if value.get(key) is not None}
    for key, field in fields.items():
        if not isinstance(field, str):
            raise _BadLine(f"{key!r} should be a string, not {json.dumps(field)[:60]}")
    if "name" not in fields:
        raise _BadLine("'name' is missing")
    return _theorem(**fields)


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise _BadLine(f"a key is given twice, among {sorted(keys)}")
    return dict(pairs)


def _theorem(**fields: str) -> Theorem:
    try:
        return Theorem(**fields)
    except ValueError as error:
        raise _BadLine(str(error)) from error


def _problems(numbered: Iterable[tuple[int, Theorem]]) -> Iterator[tuple[int, str]]:
    first_use: dict[str, int] = {}
    for number, theorem in numbered:
        for problem in theorem_problems(theorem):
            yield number, problem
        first = first_use.setdefault(theorem.name, number)
        if first != number:
            yield number, f"the name {theorem.name!r} is already used at {first}"


def _json_line(theorem: Theorem) -> bytes:
    values = {key: getattr(theorem, key) for key in _KEYS}
    given = {key: value for key, value in values.items() if value}
    return json.dumps(given, ensure_ascii=False).encode() + b"\n"
