"""Cuts tactics out of what a model wrote: the first, or all that are its proof."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import attrs

from leanebm._shown import fitting_repr

_DECLARATION: Final = re.compile(r"(theorem|lemma|example|def|import|open|set_option|noncomputable|variable)\b")

_ANOTHER: Final = re.compile(r"(theorem|lemma|example|def|instance|end|namespace|section)\b|#")
"""What begins at the left margin after a proof, and is no tactic."""

_OPENING: Final = "([{⟨"

_CLOSING: Final = ")]}⟩"

_CONTINUING: Final = ("|", "<;>", ")", "]", "}", "⟩")
"""What may start a line at the tactic's own indentation and still belong to it."""


@attrs.frozen
class TacticBlock:
    """A tactic, or a proof, and where it ends in the completion it was cut from."""

    tactic: str
    """One tactic, or several one below the other, with the first line at column 0."""

    end: int
    """Offset just after it; less than the completion's length if something was cut off."""

    __repr__ = fitting_repr


@attrs.frozen
class _Line:
    start: int
    text: str

    @property
    def indent(self) -> int:
        return len(self.text) - len(self.text.lstrip(" "))

    @property
    def content(self) -> str:
        return self.text.strip()


def first_tactic_block(completion: str, *, first_line_indent: int = 0) -> TacticBlock | None:
    """The first tactic of a completion, or ``None``.

    Fences, comments and the header of a declaration in front of it are skipped, because a model
    that was not fine-tuned likes to restate the theorem. A tactic goes on over lines that are
    indented deeper, that start with ``|`` or ``<;>``, or that stand inside an open bracket.

    Args:
        completion: what the model wrote.
        first_line_indent: columns that the prompt has already put before the first line.
    """
    return _block(completion, first_line_indent, _belongs_to_tactic)


def proof_block(completion: str, *, first_line_indent: int = 0) -> TacticBlock | None:
    """All tactics of a completion as one text, or ``None``: as :func:`first_tactic_block`, and on to the proof's end.

    The proof ends at a fence, at a line that stands further left than its first one, and where another declaration
    begins. What else a model writes behind its proof is taken for tactics, which Lean refuses.
    """
    return _block(completion, first_line_indent, _belongs_to_proof)


def _belongs_to_tactic(line: _Line, base: int) -> bool:
    return line.indent > base or (line.indent == base and line.content.startswith(_CONTINUING))


def _belongs_to_proof(line: _Line, base: int) -> bool:
    return not line.content or (line.indent >= base and not _ANOTHER.match(line.text))


def _block(completion: str, first_line_indent: int, belongs: Callable[[_Line, int], bool]) -> TacticBlock | None:
    lines = _skip_preamble(list(_lines(completion)))
    if not lines:
        return None
    first = lines[0]
    base = first.indent + (first_line_indent if first.start == 0 else 0)
    kept = [first]
    depth = _bracket_balance(first.content)
    for line in lines[1:]:
        is_inside = belongs(line, base) or (depth > 0 and bool(line.content))
        if line.content.startswith("```") or not is_inside:
            break
        kept.append(line)
        depth += _bracket_balance(line.content)
    while not kept[-1].content:
        kept.pop()
    head = first.content.partition("```")[0].rstrip()
    texts = [head, *(line.text[min(base, line.indent) :].rstrip() for line in kept[1:])]
    last = kept[-1]
    end = last.start + len(last.text) if len(kept) > 1 else first.start + first.indent + len(head)
    return TacticBlock("\n".join(texts), end) if head else None


def _lines(text: str) -> Iterator[_Line]:
    start = 0
    for line in text.split("\n"):
        yield _Line(start, line)
        start += len(line) + 1


def _skip_preamble(lines: list[_Line]) -> list[_Line]:
    index = 0
    while index < len(lines):
        content = lines[index].content
        if not content or content.startswith(("```", "--")) or content == "by":
            index += 1
        elif content.startswith("/-"):
            index = _line_after(lines, index, "-/")
        elif _DECLARATION.match(content) and any(line.content.endswith(":= by") for line in lines[index:]):
            index = _line_after(lines, index, ":= by")
        else:
            break
    return lines[index:]


def _line_after(lines: list[_Line], index: int, ending: str) -> int:
    while index < len(lines) and not lines[index].content.endswith(ending):
        index += 1
    return index + 1


def _bracket_balance(text: str) -> int:
    return sum((char in _OPENING) - (char in _CLOSING) for char in text)
