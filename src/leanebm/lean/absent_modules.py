"""Modules that Lean was to import and does not have: found in its complaint or a theorem, and what to do about them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from leanebm.core import Theorem
from leanebm.core.theorem_text import lean_commands

_COMPLAINT: Final = re.compile(
    r"unknown module prefix '(?P<prefix>[^'\n]+)'"
    r"|object file '[^'\n]*' of module (?P<module>\S+) does not exist"
    r"|unknown package '(?P<package>[^'\n]+)'"
)

WITHOUT_MATHLIB: Final = (
    "state the theorems over Lean's own library (Nat for ℕ, Int for ℤ, Rat for ℚ), or name a Lake project that has "
    "Mathlib by --project DIR and say --imports Mathlib. Nobody has run that yet: `leanebm doctor --project DIR` says "
    "whether Lean starts there"
)
"""What to do where Mathlib is needed, and what Lean there is does not have it."""


def absent_modules(complaint: str) -> tuple[str, ...]:
    """The modules that a Lean that did not start says it does not have, each once."""
    found = (match[match.lastgroup or 0] for match in _COMPLAINT.finditer(complaint))
    return tuple(dict.fromkeys(found))


def how_to_do_without(absent: Sequence[str]) -> str:
    """What to do where these modules, of which there is at least one, are needed."""
    if any(name.split(".")[0] == "Mathlib" for name in absent):
        return WITHOUT_MATHLIB
    return "correct the imports, or choose a Lean that has them with --lean or lean.backend in the settings"


_OF_MATHLIB: Final = re.compile(
    r"[ℝℕℤℚℂ∑∏∫√𝓝‖]|\b(?:Type|Sort)\*|\b(?:BigOperators|CommGroup|CommRing|Complex|ENNReal|Field|Filter|Finset|Fintype"
    r"|Group|Ideal|Irrational|LinearMap|Mathlib|Matrix|MeasureTheory|Metric|MetricSpace|Module|Multiset|NNReal|Polynomial"
    r"|Real|Ring|Set|TopologicalSpace|Topology|Nat\.(?:Prime|choose|factorial|totient))(?![\w'])"
)


def of_mathlib(theorem: Theorem, imports: Iterable[str]) -> str | None:
    """What only Mathlib gives a meaning, of that which a theorem mentions: the first such word, if it is not there.

    Nothing but a guess from the text: to be asked once Lean has refused the theorem.
    """
    if any(module.split(".")[0] == "Mathlib" for module in imports):
        return None
    context = theorem.context
    declared = {command.declared for command in lean_commands(context)}
    found = (match.group() for match in _OF_MATHLIB.finditer(f"{theorem.preamble}\n{theorem.statement or ''}"))
    return next((word for word in found if word not in declared and f'"{word}' not in context), None)
