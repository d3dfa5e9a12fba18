"""Which theorems of the library a person would state."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Self

import attrs

from leanebm.data.library_theorem import LibraryTheorem

__all__ = ["MAX_LIBRARY_STATEMENT_CHARS", "LibrarySelection", "is_statement_worthy", "why_unworthy"]

MAX_LIBRARY_STATEMENT_CHARS: Final = 400
"""Longest printed statement kept, in characters; beyond it stand tables and recursors."""

_GENERATED: Final = re.compile(
    r"eq_\d+|eq_def|eq_unfold|\d+"  # a definition's equations
    r"|injEq|inj|sizeOf_spec|noConfusion(?:Type)?|ext_iff|elim_eq|\w*[cC]torIdx"  # a structure's or inductive's
    r"|match_\d+|proof_\d+|congr_simp|hcongr_\d+|splitter"  # an elaborated term's
    r"|rec|recOn|casesOn|brecOn(?:_\d+)?|below(?:_\d+)?"  # recursion's
    r"|(?:mutual_)?induct(?:_unfolding)?|fun_cases(?:_unfolding)?"  # a recursive function's
    r"|inst[A-Z].*"  # an instance without a name of its own
)
"""Name parts that Lean makes by itself."""

_MACHINERY: Final = frozenset(
    {"Lean", "Internal", "Linear", "Grind", "Omega", "Tactic", "SOM", "Meta", "Elab", "Macro", "Syntax", "Simproc"}
)
"""Namespaces of lemmas that exist for a tactic's own proofs."""

_UNREADABLE: Final = ("✝", "⋯", "sorry", "motive")
"""Marks of a statement nobody wrote: inaccessible names, elided proofs, recursors."""


def why_unworthy(theorem: LibraryTheorem) -> str | None:
    """Why nobody would state this theorem, in a word or two; None if a person would."""
    parts = theorem.name.split(".")
    if any(part.startswith("_") or not part.isprintable() for part in parts):
        return "not public"
    if any(_GENERATED.fullmatch(part) for part in parts):
        return "generated"
    if not _MACHINERY.isdisjoint(parts):
        return "machinery"
    if any(mark in theorem.statement for mark in _UNREADABLE):
        return "unreadable"
    if len(theorem.statement) > MAX_LIBRARY_STATEMENT_CHARS:
        return "too long"
    return None


def is_statement_worthy(theorem: LibraryTheorem) -> bool:
    """Whether a person would make this statement."""
    return why_unworthy(theorem) is None


@attrs.frozen
class LibrarySelection:
    """What was kept of the library, and why the rest was not."""

    kept: tuple[LibraryTheorem, ...]
    """In the order they came."""

    dropped: Mapping[str, int]
    """How many theorems were left out, by reason."""

    @classmethod
    def of(cls, theorems: Iterable[LibraryTheorem]) -> Self:
        """Keep what a person would state, and each statement once.

        Of theorems with equal fingerprints (deprecated aliases, restatements) the first one stays;
        ``exact`` the other one would be no proof of it.
        """
        kept: dict[str, LibraryTheorem] = {}
        dropped: Counter[str] = Counter()
        for theorem in theorems:
            reason = why_unworthy(theorem)
            if reason is not None:
                dropped[reason] += 1
            elif theorem.fingerprint in kept:
                dropped["stated before"] += 1
            else:
                kept[theorem.fingerprint] = theorem
        return cls(tuple(kept.values()), dict(dropped))
