"""A found proof as the text of a Lean file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import dedent

from leanebm.core.theorem import Theorem

__all__ = ["assemble", "declaration_name", "lean_file"]

_INDENT = "  "
_UNSAFE_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")


def declaration_name(theorem: Theorem) -> str:
    """The name under which the proof declares the theorem: ASCII, no dots, and unlikely in any library.

    A name that some tactic also uses would make the proof refer to itself, hence the prefix.
    """
    return f"leanebm_{_UNSAFE_IN_NAMES.sub('_', theorem.name).strip('_') or 'theorem'}"


def assemble(theorem: Theorem, tactics: Sequence[str], statement: str | None = None) -> str:
    r"""The text of a proof, without import lines: header, statement, and one indented block a tactic.

    Args:
        theorem: What was proved. One from the library is stated as ``type_of% @Name``, so that no
            printing and reading back can change its meaning.
        tactics: The proof's steps, in order.
        statement: The library theorem's type in print, for a comment above it.

    >>> print(assemble(Theorem(name="two", statement="1 + 1 = 2"), ["rfl"]), end="")
    theorem leanebm_two : 1 + 1 = 2 := by
      rfl
    """
    blocks = [theorem.header.strip(), _claim(theorem, tactics, statement)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def lean_file(imports: Sequence[str], source: str) -> str:
    """The whole file: import lines, then ``source``."""
    return "".join(f"import {module}\n" for module in imports) + "\n" + source


def _claim(theorem: Theorem, tactics: Sequence[str], statement: str | None) -> str:
    lines = []
    if theorem.copy_from is not None and statement:
        lines.append(_indented(f"{theorem.copy_from} : {statement}", "-- "))
    claim = theorem.statement if theorem.statement is not None else f"type_of% @{theorem.copy_from}"
    # A statement of several lines keeps its own layout, all of it moved to the right.
    several = "\n" in claim.strip()
    stated = "\n" + _indented(dedent(claim).strip("\n"), 2 * _INDENT) if several else f" {claim.strip()}"
    # A comment at its end must not swallow what follows.
    proof = f"\n{2 * _INDENT}:= by" if "--" in claim else " := by"
    lines.append(f"theorem {declaration_name(theorem)} :{stated}{proof}")
    lines.extend(_indented(dedent(tactic).strip("\n").rstrip(), _INDENT) for tactic in tactics)
    return "\n".join(lines)


def _indented(text: str, prefix: str) -> str:
    """Unlike :func:`textwrap.indent`, by Lean's lines: a string may hold U+2028, which ends none of them."""
    return "\n".join(f"{prefix}{line}" if line.strip() else line for line in text.split("\n"))
