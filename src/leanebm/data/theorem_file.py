"""Files of theorems: what ``--theorems`` reads.

Three forms, distinguished by the file's suffix:

``.jsonl``
    One JSON object per line: ``name`` and either ``statement`` (with an optional ``header`` of ``open``,
    ``universe`` and ``set_option`` lines, and a ``context`` of other commands) or ``copy_from``,
    the name of a library theorem. Under ``meta`` may stand whatever else a data set says of the theorem;
    any other key is a mistake, for a misspelt ``header`` would change what the statement means.
``.parquet``
    A file of library theorems (:mod:`leanebm.data.library`).
anything else
    One statement per line, named after its line (``line_17``), or ``@`` and the name of a library
    theorem (``@Nat.add_comm``). Blank lines and lines starting with ``--`` or ``#`` are skipped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from leanebm.core import Theorem
from leanebm.data._reading import BadLine, decode_line, fields_of, json_object, numbered_lines, theorem_problems
from leanebm.data.library import read_library_file
from leanebm.errors import ConfigError
from leanebm.storage import open_regular, write_atomically

_KEYS: Final = ("name", "statement", "copy_from", "header", "context")


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
        with open_regular(path) as file:
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
    write_atomically(path, b"".join(_json_line(theorem) for _, theorem in numbered))


def _read_lines(
    file: BinaryIO, parse: Callable[[int, str], Theorem | None]
) -> tuple[tuple[Theorem, ...], list[tuple[int, str]]]:
    """The theorems, and what is wrong with which line, by line number."""
    numbered: list[tuple[int, Theorem]] = []
    problems: list[tuple[int, str]] = []
    for number, line in numbered_lines(file):
        try:
            theorem = parse(number, decode_line(line))
        except BadLine as error:
            problems.append((number, str(error)))
        else:
            if theorem is not None:
                numbered.append((number, theorem))
    problems += _problems(numbered)
    problems.sort(key=lambda problem: problem[0])
    return tuple(theorem for _, theorem in numbered), problems


def _parse_text(number: int, line: str) -> Theorem | None:
    is_comment = line.startswith("--") or (line.startswith("#") and not line.startswith("#["))  # #[1, 2] is an array
    if not line or is_comment:
        return None
    if line.startswith(('{"', '[{"')):
        raise BadLine("this looks like JSON; write one object per line, in a file that ends in .jsonl")
    if line.startswith("@"):
        library_name = line[1:].strip()
        return _theorem(name=library_name, copy_from=library_name)
    return _theorem(name=f"line_{number}", statement=line)


def _parse_json(_: int, line: str) -> Theorem | None:
    if not line:
        return None
    value = json_object(line, example='{"name": …, "statement": …}')
    return _theorem(**fields_of(value, dict.fromkeys(_KEYS, str), required=["name"]))


def _theorem(**fields: str) -> Theorem:
    try:
        return Theorem(**fields)
    except ValueError as error:
        raise BadLine(str(error)) from error


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
