"""Every function of the library that the compiled REPL calls, looked for in a newer Lean's table of symbols.

Names tell what was removed, renamed or made private, and arities, where the table has them, what got another argument.
Neither shows a type or a structure's field that changed. `api/renew.py` makes the table.
"""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from leanebm.lean.embedded import EmbeddedLean

_TABLE = Path(__file__).parent / "api" / "lean-4.35.0.txt.xz"

_FOREIGN = re.compile(r"(^|\.)_|_(at|spec|private|hyg)_|[@«]")
"""Of names that the compiler makes up, in a way that every version has its own."""

_VARIANT = re.compile(r"\._(redArg|boxed|override|rarg|lam_\d+|closed_\d+).*")
"""The same function, as the compiler calls it where it knows more of the arguments."""

_EXPECTED: dict[str, str] = {}
"""What 4.35 does not have, and why the REPL does without it there."""


def _mangled(name: str) -> str:
    parts = []
    for part in name.split("."):
        letters = (
            "__" if char == "_" else char if char.isascii() and char.isalnum()
            else f"_x{ord(char):02x}" if ord(char) < 0x100
            else f"_u{ord(char):04x}"
            for char in part
        )  # fmt: skip
        parts.append("".join(letters))
    return "l_" + "_".join(parts)


def _calls(lean: EmbeddedLean) -> Iterator[tuple[str, int | None]]:
    """Public functions of the library that the REPL calls, and with how many arguments where all are given."""
    lines = (lean.repl / "Repl.calls").read_text(encoding="utf-8").splitlines()
    own = {line.removeprefix("own ") for line in lines if line.startswith("own ")}
    for line in sorted({line for line in lines if not line.startswith("own ")}):
        name, _, count = line.rpartition(" ")
        whole = _VARIANT.sub("", name)
        if name not in own and not _FOREIGN.search(whole):
            yield whole, None if count == "?" or whole != name else int(count)


def _hashes_here(lean: EmbeddedLean) -> set[bytes]:
    """Of the names of all functions that the embedded Lean has; `lean.symbols` has no more of them."""
    rows = (lean.runtime / "lean.symbols").read_bytes()
    count = int.from_bytes(rows[:4], "little")
    return {rows[start : start + 16] for start in range(4, 4 + 16 * count, 16)}


def _newer() -> dict[str, str]:
    lines = lzma.decompress(_TABLE.read_bytes()).decode().splitlines()
    return dict(tuple(line.split(" ")) for line in lines)  # type: ignore[misc]


@pytest.mark.lean
def test_what_the_repl_calls_is_there_in_the_newest_lean_that_we_know(embedded_lean: EmbeddedLean) -> None:
    here = _hashes_here(embedded_lean)
    there = _newer()
    called = {name for name, _ in _calls(embedded_lean) if sha256(_mangled(name).encode()).digest()[:16] in here}
    assert len(called) > 150
    assert {name for name in called if _mangled(name) not in there} == _EXPECTED.keys()


@pytest.mark.lean
def test_functions_take_as_many_arguments_there(embedded_lean: EmbeddedLean) -> None:
    there = _newer()
    counts = {name: count for name, count in _calls(embedded_lean) if count is not None}
    known = {name: int(there[mangled]) for name in counts if there.get(mangled := _mangled(name), "?") != "?"}
    assert len(known) > 10
    assert {name: (counts[name], arity) for name, arity in known.items() if counts[name] != arity} == {}


def test_names_are_mangled_as_lean_does() -> None:
    there = _newer()
    for name in ("Lean.Meta.ppGoal", "Lean.Options.find?", "Lean.initSearchPath", "Lean.Name.isPrefixOf"):
        assert _mangled(name) in there
    assert _mangled("Lean.CollectAxioms.collect") not in there
