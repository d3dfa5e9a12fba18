"""One statement per line: the plainest file of theorems."""

from __future__ import annotations

import csv
import re
from typing import BinaryIO, Final

from leanebm.core import Theorem
from leanebm.data._reading import (
    BadLine,
    NumberedTheorem,
    Problem,
    decode_line,
    json_value,
    numbered_lines,
    theorem_from,
)
from leanebm.data._shapes import COLUMNS

_LEAD_BYTES: Final = 2**16

_LEAN_LINE: Final = re.compile(
    r"^(?:import|namespace|section|end|open|variable|universe|def|abbrev|structure|inductive|instance|set_option)\b"
    r"|^[ \t]*sorry[ \t\r]*$"
    r"|^(?:theorem|lemma|example)\b[^\n]*(?::|:=|\bby|,)[ \t\r]*$"
    r"|^(?:theorem|lemma|example)\b[^\n]*\n[ \t]+\S",
    re.MULTILINE,
)


def read_text_lines(file: BinaryIO) -> tuple[list[NumberedTheorem], list[Problem]]:
    """The theorems, and what is wrong with which line.

    Raises:
        BadLine: the whole file is of another form.
    """
    if objection := _objection_to(file.read(_LEAD_BYTES).decode("utf-8-sig", errors="replace")):
        raise BadLine(objection)
    file.seek(0)
    numbered: list[NumberedTheorem] = []
    problems: list[Problem] = []
    for number, line in numbered_lines(file):
        try:
            theorem = _parse(number, decode_line(line))
        except BadLine as error:
            problems.append((number, str(error)))
        else:
            if theorem is not None:
                numbered.append((number, theorem))
    return numbered, problems


def _objection_to(lead: str) -> str | None:
    """Why a file that begins with ``lead`` is not read as one statement per line."""
    first = lead.lstrip().partition("\n")[0].strip()
    if _is_json(first):
        return "it holds JSON; say --format json, or --format jsonl where each line is an object"
    if _is_table(first):
        return "it holds a table; say --format csv"
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


def _parse(number: int, line: str) -> Theorem | None:
    is_comment = line.startswith("--") or (line.startswith("#") and not line.startswith("#["))  # #[1, 2] is an array
    if not line or is_comment:
        return None
    if line.startswith(('{"', '[{"')):
        raise BadLine("this looks like JSON; write one object per line, in a file that ends in .jsonl")
    if line.startswith("@"):
        library_name = line[1:].strip()
        return theorem_from(name=library_name, copy_from=library_name)
    return theorem_from(name=f"line_{number}", statement=line)
