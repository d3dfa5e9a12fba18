"""How a found proof is written in the place of a ``sorry``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from leanebm.core import Proof
from leanebm.core.proof_script import indented, tactic_blocks
from leanebm.lean.files import SorryPlace
from leanebm.pipeline.fill.lean_file import Edit

_STEP: Final = 2

_MARKS: Final = re.compile(r"[ \t]*(?:[·.] *)*")

_FITS_AFTER: Final = re.compile(r"(?:^|:=|=>|[⟨(,]|\b(?:from|exact|refine|fun .*))\s*$")

_FITS_BEFORE: Final = re.compile(r"\s*(?:$|[⟩),;]|--)")

_OPENS_A_BLOCK: Final = re.compile(r"(?:\bby|=>)\s*$")


def insertions(source: str, sorry: SorryPlace, proof: Proof) -> tuple[Edit, ...]:
    """Ways to write ``proof`` in the place of ``sorry``, the most readable first.

    They mean the same wherever they are read as what they are meant to be. Which of them are is for Lean to say.
    """
    data = source.encode()
    before, after = data[: sorry.start].decode(), data[sorry.stop :].decode()
    line, rest = before[before.rfind("\n") + 1 :], after.partition("\n")[0]
    blocks = tactic_blocks(proof)
    edits = _tactics(line, blocks) if sorry.is_tactic else _terms(line, rest, blocks)
    return tuple(_edit(sorry, before, text) for text in edits)


def _tactics(line: str, blocks: Sequence[str]) -> list[str]:
    block = _below(blocks, len(line))
    margin = _margin(line)
    if len(line) > margin and "\n" in block and _OPENS_A_BLOCK.search(line):
        block = f"\n{_below(blocks, margin + _STEP, first=True)}"
    return [block, _bracketed("focus", blocks, margin)]


def _terms(line: str, rest: str, blocks: Sequence[str]) -> list[str]:
    margin = _margin(line)
    text = _below(blocks, margin + _STEP, first=True)
    bare = f"by\n{text}" if "\n" in text else f"by {text.strip()}"
    bracketed = _bracketed("by", blocks, margin)
    fits = _FITS_AFTER.search(line) is not None and _FITS_BEFORE.match(rest) is not None
    return [bare, bracketed] if fits else [bracketed, bare]


def _bracketed(word: str, blocks: Sequence[str], margin: int) -> str:
    """``(word …)``; a comment at the end of the proof does not swallow the bracket."""
    text = _below(blocks, margin + 2 * _STEP, first=True)
    last = text.rpartition("\n")[2]
    end = f"\n{' ' * (margin + _STEP)})" if "--" in last else ")"
    return f"({word}\n{text}{end}" if "\n" in text else f"({word} {text.strip()}{end}"


def _below(blocks: Sequence[str], margin: int, *, first: bool = False) -> str:
    """The lines of a proof, moved to a column; the first one of them only if it is not there yet."""
    text = "\n".join(indented(block, " " * margin) for block in blocks)
    return text if first else text.lstrip(" ")


def _margin(line: str) -> int:
    """Where the tactic begins that a line begins with: behind its bullets."""
    match = _MARKS.match(line)
    return len(match[0]) if match is not None else 0


def _edit(sorry: SorryPlace, before: str, text: str) -> Edit:
    """Blanks before a line break go with what stood there."""
    blanks = len(before) - len(before.rstrip(" ")) if text.startswith("\n") else 0
    return Edit(sorry.start - blanks, sorry.stop, text)
