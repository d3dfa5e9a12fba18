"""How much text Lean is given to read.

Lean reads a text before any of its own limits (heartbeats, recursion, time) apply, and for some texts that takes more
than the square of their length. So text that is longer than any honest one is refused unseen. How *deep* a text is
nested is known only to its parser, so our REPL bounds that (``maxUnfinishedSyntax`` and ``maxSyntaxDepth`` in
``Repl.lean``).
"""

from __future__ import annotations

from typing import Final

from leanebm.core.theorem import Theorem

MAX_TEXT_CHARACTERS: Final = 2**14
"""Longest tactic, term, statement or library name."""

MAX_HEADER_CHARACTERS: Final = 2**10
"""Longest header. Lean looks up every name that it opens in all namespaces that are open already."""

MAX_CONTEXT_CHARACTERS: Final = 2**15
"""Longest context: definitions and other commands in front of a theorem."""

MAX_FILE_CHARACTERS: Final = 2**16
"""Longest file that is certified: a header, a context, a statement and all of its proof."""


def objection_to_length(text: str, limit: int = MAX_TEXT_CHARACTERS, *, what: str = "text") -> str | None:
    """Why ``text`` is not given to Lean, in a sentence that calls it ``what``; ``None`` where it is short enough.

    >>> from leanebm.core.limits import objection_to_length
    >>> objection_to_length("exact " + "(" * 100_000)
    'the text is too long for Lean: 100006 characters, and at most 16384 are read'
    """
    if len(text) <= limit:
        return None
    return f"the {what} is too long for Lean: {len(text)} characters, and at most {limit} are read"


def objection_to_theorem(theorem: Theorem) -> str | None:
    """Why Lean is not asked about ``theorem``; ``None`` where all of its texts are short enough."""
    return (
        objection_to_length(theorem.statement or "", what="statement")
        or objection_to_length(theorem.copy_from or "", what="name")
        or objection_to_length(theorem.header, MAX_HEADER_CHARACTERS, what="header")
        or objection_to_length(theorem.context, MAX_CONTEXT_CHARACTERS, what="context")
    )
