"""What can be said against a theorem's text without asking Lean.

None of this decides whether a statement is true, or even well typed: Lean does. It catches, before any
worker starts, the lines that would end with a puzzling message from Lean, and text that would not stay
inside the place a statement, name or header is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from leanebm.core import Theorem

__all__ = ["MAX_STATEMENT_CHARS", "theorem_problems"]

MAX_STATEMENT_CHARS: Final = 20_000
"""Longest statement accepted, in characters; a policy could not read a longer one anyway."""

_MAX_NAME_CHARS: Final = 256
_MAX_HEADER_CHARS: Final = 4_000
_MAX_SHOWN_CHARS: Final = 80

_NAME: Final = re.compile(r"[\w'!?-]+(?:\.[\w'!?-]+)*")
_LIBRARY_NAME: Final = re.compile(r"(?:[\w'!?]+|«[^«»/\\\s]+»)(?:\.(?:[\w'!?]+|«[^«»/\\\s]+»))*")

# Every command of Lean starts with a lower-case keyword, and a line may hold several commands:
# `open Nat namespace Trap` is two. So a namespace starts upper-case, and a universe is one letter
# with an index; no command fits either.
_NAMESPACE: Final = r"[A-ZΑ-Ω]\w*(?:\.[A-ZΑ-Ω]\w*)*"
_HEADER_LINE: Final = re.compile(
    rf"open(?: +scoped)?(?: +{_NAMESPACE})+"
    rf"|open +{_NAMESPACE} +\([\w.'!? ]+\)"
    r"|universe(?: +[a-z](?:_?\d+|[₀-₉]+|[α-ω])?)+"
)

_COMMAND: Final = re.compile(r"(?:theorem|lemma|example|def|abbrev|axiom|instance|import|namespace|variable)\b")
_PROOF: Final = re.compile(r":=\s*(?:by)?\s*(?:sorry)?$")

# Enough of Lean's lexer to know which brackets are code. A prime belongs to the identifier before it
# (`x'`), so identifiers are read before character literals.
_TOKEN: Final = re.compile(
    r"""(?P<comment>--|/-)
      | (?P<skip>"(?:[^"\\]|\\.)*" | «[^»]*» | \w[\w'!?]* | '(?:[^'\\]|\\[^']+|\\')')
      | (?P<unclosed>["«])
      | (?P<open>[(\[{⟨])
      | (?P<close>[)\]}⟩])""",
    re.VERBOSE,
)
_CLOSER_OF: Final = {"(": ")", "[": "]", "{": "}", "⟨": "⟩"}


def theorem_problems(theorem: Theorem) -> Iterator[str]:
    """What is wrong with a theorem's name, statement or library name, and header; nothing if all is well."""
    if theorem.name != theorem.copy_from:
        yield from _name_problems(theorem.name)
    if theorem.copy_from is not None:
        yield from _library_name_problems(theorem.copy_from)
    if theorem.statement is not None:
        yield from _statement_problems(theorem.statement)
    yield from _header_problems(theorem.header)


def _name_problems(name: str) -> Iterator[str]:
    if len(name) > _MAX_NAME_CHARS or not _NAME.fullmatch(name):
        yield (
            f"the name {_shortened(name)} should be at most {_MAX_NAME_CHARS} letters, digits and _ ' ! ? -, "
            "in parts joined by single dots"
        )


def _library_name_problems(name: str) -> Iterator[str]:
    if len(name) > _MAX_NAME_CHARS or not _LIBRARY_NAME.fullmatch(name):
        yield f"{_shortened(name)} is no name of a library theorem, such as Nat.add_comm"


def _statement_problems(statement: str) -> Iterator[str]:
    if not statement.strip():
        yield "the statement is empty"
    elif len(statement) > MAX_STATEMENT_CHARS:
        yield f"the statement has {len(statement)} characters, more than {MAX_STATEMENT_CHARS}"
    elif not statement.isprintable():
        odd = next(char for char in statement if not char.isprintable())
        yield f"the statement holds {odd!a}; write it on one line, with spaces only between its words"
    else:
        yield from _code_problems(statement)


def _code_problems(statement: str) -> Iterator[str]:
    if match := _COMMAND.match(statement.lstrip()):
        yield f"write the proposition alone, without {match.group()!r} and a name before it"
    if _PROOF.search(statement.rstrip()):
        yield "write the proposition alone, without ':=' and a proof after it"
    if problem := _bracket_problem(statement):
        yield problem


def _bracket_problem(statement: str) -> str | None:
    expected: list[str] = []
    for token in _TOKEN.finditer(statement):
        text, column = token.group(), token.start() + 1
        match token.lastgroup:
            case "comment":
                return f"a comment starts at column {column}; put it on a line of its own"
            case "unclosed":
                return f"the {text} at column {column} is never closed"
            case "open":
                expected.append(_CLOSER_OF[text])
            case "close" if not expected or expected.pop() != text:
                return f"the {text} at column {column} closes nothing"
            case _:
                pass
    return f"a {expected[-1]} is missing" if expected else None


def _header_problems(header: str) -> Iterator[str]:
    if len(header) > _MAX_HEADER_CHARS:
        yield f"the header has {len(header)} characters, more than {_MAX_HEADER_CHARS}"
        return
    for line in header.split("\n"):  # no other character ends a line for Lean; in a line, none of them matches
        if line.strip(" ") and not _HEADER_LINE.fullmatch(line.strip(" ")):
            yield (
                f"the header line {_shortened(line)} is not of the form 'open Nat List', 'open scoped Nat', "
                "'open Nat (succ_le)' or 'universe u v'"
            )


def _shortened(text: str) -> str:
    return repr(text) if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]!r}…"
