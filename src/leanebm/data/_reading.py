"""Checks of a theorem's text that need no Lean.

None of this decides whether a statement is true, or even well typed: Lean does. It catches, before any
worker starts, the lines that would end with a puzzling message from Lean, and text that would not stay
inside the place a statement, name or header is given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from itertools import count
from typing import Any, BinaryIO, Final

from leanebm._shown import around, hint, shown, shown_json
from leanebm.core import Theorem
from leanebm.core.limits import MAX_CONTEXT_CHARACTERS, MAX_HEADER_CHARACTERS, objection_to_length
from leanebm.core.theorem_text import HEADER_LINE, command_word, lean_tokens

MAX_NAME_CHARACTERS: Final = 256

_NAME: Final = re.compile(r"[\w'!?-]+(?:\.[\w'!?-]+)*")

_LIBRARY_NAME: Final = re.compile(r"(?:[\w'!?]+|«[^«»/\\\s]+»)(?:\.(?:[\w'!?]+|«[^«»/\\\s]+»))*")

_PROOF: Final = re.compile(r":=\s*+(?:by)?\s*+(?:sorry)?$")

_CLOSER_OF: Final = {"(": ")", "[": "]", "@[": "]", "{": "}", "⟨": "⟩", "⦃": "⦄"}


def theorem_problems(theorem: Theorem) -> Iterator[str]:
    """What is wrong with a theorem's name, statement or library name, header and context; nothing if all is well."""
    if theorem.name != theorem.copy_from:
        yield from _name_problems(theorem.name)
    if theorem.copy_from is not None:
        yield from _library_name_problems(theorem.copy_from)
    if theorem.statement is not None:
        yield from _statement_problems(theorem.statement)
    yield from _header_problems(theorem.header)
    yield from _context_problems(theorem.context)


def _name_problems(name: str) -> Iterator[str]:
    if len(name) > MAX_NAME_CHARACTERS or not _NAME.fullmatch(name):
        yield (
            f"the name {shown(name)} should be at most {MAX_NAME_CHARACTERS} letters, digits and _ ' ! ? -, "
            "in parts joined by single dots"
        )


def _library_name_problems(name: str) -> Iterator[str]:
    if len(name) > MAX_NAME_CHARACTERS or not _LIBRARY_NAME.fullmatch(name):
        yield f"{shown(name)} cannot be the name of a library theorem, such as Nat.add_comm"


def _statement_problems(statement: str) -> Iterator[str]:
    if not statement.strip():
        yield "the statement is empty"
    elif objection := objection_to_length(statement, what="statement"):
        yield objection
    elif odd := _odd_character(statement):
        yield f"the statement holds {odd!a}; leave it out, or write a space"
    else:
        yield from _code_problems(statement)


def _odd_character(text: str) -> str | None:
    if text.replace("\n", "").isprintable():  # as almost every text is, and long contexts are looked through often
        return None
    return next(char for char in text if not char.isprintable() and char != "\n")


def _code_problems(statement: str) -> Iterator[str]:
    if word := command_word(statement):
        yield f"{word!r} begins a command, and a proposition holds none"
    if problem := _bracket_problem(statement):
        yield problem  # and a ':=' is seen only because of it
    elif _PROOF.search(statement.rstrip()):
        yield "write the proposition alone, without ':=' and a proof after it"


def _bracket_problem(statement: str) -> str | None:
    opened: list[tuple[str, int]] = []
    for token in lean_tokens(statement):
        text, column = token.text, token.start + 1
        match token.kind:
            case "comment" | "block" | "doc":
                return f"a comment starts at column {column}; put it on a line of its own"
            case "other" if text in {'"', "«"}:
                return f"the {text} at column {column} is never closed"
            case "open" | "attribute":
                opened.append((text, column))
            case "close" if not opened or _CLOSER_OF[opened.pop()[0]] != text:
                return f"the {text} at column {column} closes nothing"
            case _:
                pass
    if not opened:
        return None
    text, column = opened[-1]
    return f"a {_CLOSER_OF[text]} is missing for the {text} at {around(statement, column - 1)}"


def _header_problems(header: str) -> Iterator[str]:
    if objection := objection_to_length(header, MAX_HEADER_CHARACTERS, what="header"):
        yield objection
        return
    for line in header.split("\n"):  # for Lean, no other character ends a line; inside one, no such character matches
        if line.strip(" ") and not HEADER_LINE.fullmatch(line.strip(" ")):
            yield (
                f"the header line {shown(line)} is not of the form 'open Nat List', 'open scoped Nat', "
                "'open Nat (succ_le)', 'universe u v' or 'set_option autoImplicit true'; other commands are a context"
            )


def _context_problems(context: str) -> Iterator[str]:
    if objection := objection_to_length(context, MAX_CONTEXT_CHARACTERS, what="context"):
        yield objection
    elif odd := _odd_character(context):
        yield f"the context holds {odd!a}; leave it out, or write a space"


META: Final = "meta"
"""The key whose value belongs to the file's owner; nothing here reads it."""

_KIND_NAMES: Final = {str: "a string", int: "a whole number"}

MAX_LINE_BYTES: Final = 1024 * 1024
"""Longest line accepted, in bytes; a longer one is reported and never held in memory as a whole."""

_UTF8_BOM: Final = b"\xef\xbb\xbf"


NumberedTheorem = tuple[int, Theorem]
"""A theorem, and the number of its line or row."""

Problem = tuple[int, str]
"""What is wrong with which line or row."""


class BadLine(ValueError):
    """A line, or a whole file, that is not as it should be; the message says why."""


_WHOLE: Final = re.compile(r"\s*(?:theorem|lemma|example)\b|.*:=\s*(?:by\b\s*)?(?:sorry)?\s*", re.DOTALL)


def theorem_from(**fields: str) -> Theorem:
    """The theorem of these fields; the statement may be a whole theorem's text.

    Raises:
        BadLine: they are not a theorem's.
    """
    try:
        theorem = Theorem(**fields)
        if theorem.statement is None or not _WHOLE.match(theorem.statement):
            return theorem
        return Theorem.of(theorem.statement, name=theorem.name, header=theorem.header, context=theorem.context)
    except ValueError as error:
        raise BadLine(str(error)) from error


def numbered_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; of a line that is too long, just enough to see that it is."""
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


def is_text(text: str) -> bool:
    """Whether UTF-8 can hold it; JSON's escapes can spell more than that."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def json_value(text: str) -> object:
    """The JSON value that a text holds.

    Raises:
        BadLine: it holds something else, or an object with a key given twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique_keys)
    except BadLine:
        raise
    except (ValueError, RecursionError) as error:
        raise BadLine(f"not JSON: {error}") from error


def json_object(line: str, *, example: str) -> dict[str, object]:
    """The JSON object that a line holds.

    Raises:
        BadLine: it holds something else, or an object with a key given twice; the message shows ``example``.
    """
    value = json_value(line)
    if not isinstance(value, dict):
        raise BadLine(f"not a JSON object, such as {example}")
    return value


def fields_of(value: Mapping[str, object], kinds: Mapping[str, type], *, required: Collection[str]) -> dict[str, Any]:
    """The fields of a JSON object that have a value, each of the kind that ``kinds`` says.

    A key whose value is ``null`` counts as missing. What the file's owner wants to add goes under ``meta``.

    Raises:
        BadLine: a required key is missing, a key is unknown, or its value is of another kind; every one is named.
    """
    mistakes = [f"{key!r} is missing" for key in required if value.get(key) is None]
    mistakes += [_unknown_key(key, kinds) for key in value if key not in kinds and key != META]
    mistakes += [
        f"{key!r} should be {_KIND_NAMES[kind]}, not {shown_json(value[key])}"
        for key, kind in kinds.items()
        if value.get(key) is not None and type(value[key]) is not kind
    ]
    if mistakes:
        raise BadLine("; ".join(mistakes))
    return {key: value[key] for key in kinds if value.get(key) is not None}


def _unknown_key(key: str, kinds: Mapping[str, type]) -> str:
    close = hint(key, kinds).removeprefix("; ") or f"known are {', '.join(kinds)}; put your own under {META!r}"
    return f"unknown key {shown(key)} ({close})"


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise BadLine(f"a key is given twice, among {sorted(keys)}")
    return dict(pairs)
