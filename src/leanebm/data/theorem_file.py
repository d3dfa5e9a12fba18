"""Files of theorems: what ``--theorems`` reads.

The file's suffix says how it is written, in any letter case, or ``--format`` does.

``.jsonl``, ``.ndjson``, ``.json``, ``.csv``, ``.tsv``, ``.parquet``
    A table. Our own has the columns ``name`` and either ``statement`` (with an optional ``header`` and ``context``) or
    ``copy_from``, the name of a library theorem. Under ``meta`` may stand whatever else a data set says of the theorem;
    any other key is a mistake, for a misspelt ``header`` would change what the statement means. A table that has a
    column of a published data set, such as ``formal_statement``, is read by the columns that such sets have, and its
    others are left aside. A Parquet file of library theorems (:mod:`leanebm.data.library`) or of conjectures
    (:mod:`leanebm.data.conjectures`) is one of ours, too.
``.lean``
    Lean source: every theorem, lemma and example that holds a ``sorry``, with the commands before it.
anything else
    One statement per line, named after its line (``line_17``), or ``@`` and the name of a library
    theorem (``@Nat.add_comm``). Blank lines and lines starting with ``--`` or ``#`` are skipped.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import Theorem
from leanebm.data._published import PublishedTheorems, published_in_lean, published_in_table
from leanebm.data._reading import (
    META,
    BadLine,
    NumberedTheorem,
    Problem,
    decode_line,
    fields_of,
    json_value,
    numbered_lines,
    theorem_from,
    theorem_problems,
)
from leanebm.data._records import FileFormat, format_of, problem_list, read_opened, read_records, whole_text
from leanebm.data._shapes import COLUMNS, find_shape
from leanebm.data.conjectures.conjecture import Conjecture
from leanebm.data.conjectures.conjecture_file import is_conjecture_file, read_conjecture_file
from leanebm.data.file_reading import FileReading
from leanebm.data.library import LibraryTheorem, is_library_file, read_library_file
from leanebm.errors import ConfigError
from leanebm.storage import write_atomically

_KEYS: Final = ("name", "statement", "copy_from", "header", "context")

_NOUN: Final = "theorem file"

_LEAD_BYTES: Final = 2**16
"""How much of its beginning is looked at, to tell whether a file is of another form."""

_LEAN_LINE: Final = re.compile(
    r"^(?:import|namespace|section|end|open|variable|universe|def|abbrev|structure|inductive|instance|set_option)\b"
    r"|^[ \t]*sorry[ \t\r]*$"
    r"|^(?:theorem|lemma|example)\b[^\n]*(?::|:=|\bby|,)[ \t\r]*$"
    r"|^(?:theorem|lemma|example)\b[^\n]*\n[ \t]+\S",
    re.MULTILINE,
)


@attrs.frozen(kw_only=True)
class TheoremFile:
    """What was found in a file of theorems."""

    theorems: tuple[Theorem, ...]

    recognised: str = ""
    """What a published form was taken for, in a phrase; empty for a form of our own."""

    refused: tuple[str, ...] = ()
    """Theorems of a published form that cannot be stated, each as ``what @ file:row N``."""

    imports: Mapping[str, int] = attrs.field(factory=dict)
    """The modules that the theorems want imported, and how many want them."""

    __repr__ = fitting_repr


def read_theorems(path: str | os.PathLike[str], reading: FileReading | None = None) -> tuple[Theorem, ...]:
    """The theorems of a file, in its order.

    Lean is not asked: a statement that reads well here may still fail to elaborate.

    Raises:
        ConfigError: as :func:`read_theorem_file`.
    """
    return read_theorem_file(path, reading).theorems


def read_theorem_file(path: str | os.PathLike[str], reading: FileReading | None = None) -> TheoremFile:
    """The theorems of a file, in its order, with what it was taken for.

    Raises:
        ConfigError: the file cannot be read, holds no theorem, or is of our own form and holds mistakes; every one of
            them is listed as ``what @ file:line``.
    """
    path, reading = Path(path), reading or FileReading()
    file_format = reading.format or format_of(path)
    is_parquet = file_format is FileFormat.PARQUET
    items = _items(path) if is_parquet else None
    if items is not None:
        found = _in_split(path, items, reading.split)
    else:
        found = read_opened(path, _NOUN, partial(_read, path, file_format, reading), is_parquet=is_parquet)
    if not found.theorems:
        none = "holds no theorem that can be stated"
        if file_format is FileFormat.LEAN and not found.refused:
            none = "has no theorem with a `sorry` in it, and so nothing to prove; leanebm certify checks proofs"
        raise ConfigError(f"the theorem file {path} {none}", found.refused)
    return found


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


def _read(path: Path, file_format: FileFormat, reading: FileReading, file: BinaryIO) -> TheoremFile:
    if file_format in {FileFormat.TEXT, FileFormat.LEAN}:
        if reading.fields or reading.split is not None:
            raise BadLine("it is not a table, so it has no columns or splits to choose")
        if file_format is FileFormat.TEXT:
            return _own(path, *_read_lines(file))
        return _published(path, published_in_lean(whole_text(file)))
    found = read_records(file, file_format)
    shape = find_shape(found.columns, own=(*_KEYS, META), fields=reading.fields)
    if shape is not None:
        return _published(path, published_in_table(found, shape, reading.split))
    if reading.split is not None:
        raise BadLine("it has no column of splits")
    numbered: list[NumberedTheorem] = []
    problems = list(found.problems)
    for record in found.records:
        try:
            theorem = theorem_from(**fields_of(record.values, dict.fromkeys(_KEYS, str), required=["name"]))
        except BadLine as error:
            problems.append((record.number, str(error)))
        else:
            numbered.append((record.number, theorem))
    return _own(path, numbered, problems, place=found.place)


def _read_lines(file: BinaryIO) -> tuple[list[NumberedTheorem], list[Problem]]:
    """The theorems of a file with one statement per line, and what is wrong with which line.

    Raises:
        BadLine: the whole file is of another form.
    """
    if objection := _objection_to_lines(file.read(_LEAD_BYTES).decode("utf-8-sig", errors="replace")):
        raise BadLine(objection)
    file.seek(0)
    numbered: list[NumberedTheorem] = []
    problems: list[Problem] = []
    for number, line in numbered_lines(file):
        try:
            theorem = _theorem_of_line(number, decode_line(line))
        except BadLine as error:
            problems.append((number, str(error)))
        else:
            if theorem is not None:
                numbered.append((number, theorem))
    return numbered, problems


def _objection_to_lines(lead: str) -> str | None:
    """Why a file that begins with ``lead`` is not read as one statement per line."""
    first = lead.lstrip().partition("\n")[0].strip()
    if _is_json(first):
        return "it holds JSON; say --format json, or --format jsonl where each line is an object"
    if _is_table(first):
        return "it holds a table; say --format csv"
    if re.search(r"^ {0,3}```", lead, re.MULTILINE):
        return (
            "it looks like Markdown. Put the statements into a file of their own, one per line, or Lean source with "
            "its `sorry`s into a .lean file"
        )
    if _LEAN_LINE.search(lead):
        return "it holds Lean source rather than one statement per line; say --format lean"
    return None


def _is_json(line: str) -> bool:
    if line in {"[", "{"} or line.startswith(('{"', '[{"')):  # it may go on in the next line, or beyond what was read
        return True
    try:
        return isinstance(json_value(line), list | dict)
    except BadLine:
        return False


def _is_table(line: str) -> bool:
    try:
        names = next(csv.reader([line.replace("\t", ",")]), [])
    except csv.Error:
        return False
    return len(names) > 1 and not {"statement", *COLUMNS["statement"]}.isdisjoint(names)


def _theorem_of_line(number: int, line: str) -> Theorem | None:
    is_comment = line.startswith("--") or (line.startswith("#") and not line.startswith("#["))  # #[1, 2] is an array
    if not line or is_comment:
        return None
    if line.startswith(('{"', '[{"')):
        raise BadLine("this looks like JSON; write one object per line, in a file that ends in .jsonl")
    if line.startswith("@"):
        library_name = line[1:].strip()
        return theorem_from(name=library_name, copy_from=library_name)
    return theorem_from(name=f"line_{number}", statement=line)


def _own(
    path: Path, numbered: Sequence[NumberedTheorem], problems: Sequence[Problem], *, place: str = ""
) -> TheoremFile:
    """Theorems in a form of our own, in which every mistake is to be mended."""
    found = [*problems, *_problems(numbered)]
    if found:
        raise ConfigError(
            f"the theorem file {path} holds mistakes ({len(found)}); mend them and start again",
            problem_list(path, found, place=place),
        )
    return TheoremFile(theorems=tuple(theorem for _, theorem in numbered))


def _published(path: Path, found: PublishedTheorems) -> TheoremFile:
    """Theorems in a form of others, without those that cannot be stated, which are listed."""
    return TheoremFile(
        theorems=tuple(theorem for _, theorem in found.theorems),
        recognised=found.recognised,
        refused=tuple(problem_list(path, found.problems, place=found.place)),
        imports=found.imports,
    )


def _items(path: Path) -> Sequence[LibraryTheorem | Conjecture] | None:
    """What a Parquet file holds that says of each theorem which split it is for; ``None`` if it is not such a file."""
    if is_library_file(path):
        return read_library_file(path)
    return read_conjecture_file(path).conjectures if is_conjecture_file(path) else None


def _in_split(path: Path, items: Sequence[LibraryTheorem | Conjecture], wanted: str | None) -> TheoremFile:
    theorems = tuple(item.theorem for item in items if wanted in {None, item.split})
    if not theorems:
        raise ConfigError(f"the theorem file {path} has no theorem of the split {wanted!r}")
    return TheoremFile(theorems=theorems)


def _problems(numbered: Iterable[NumberedTheorem]) -> Iterator[Problem]:
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
