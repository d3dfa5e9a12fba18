"""What can be counted in a printed proof state without reading it."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

NUM_STATE_COUNTS: Final = 8

_TURNSTILE: Final = re.compile(r"^⊢", re.MULTILINE)
_LOCAL_CONTEXT: Final = re.compile(r"^(?!⊢|\s)([^:\n]+?) :", re.MULTILINE)
_OPERATOR: Final = re.compile(r"[^\w\s.,:;'✝()\[\]{}⟨⟩⊢]")
_NESTING: Final = {"(": 1, "[": 1, "{": 1, "⟨": 1, ")": -1, "]": -1, "}": -1, "⟩": -1}


def state_shape(text: str) -> tuple[float, float, float]:
    """Of a printed state: characters, open goals, local names (``a b : Nat`` counts two)."""
    names = sum(len(found.split()) for found in _LOCAL_CONTEXT.findall(text))
    return float(len(text)), float(len(_TURNSTILE.findall(text))), float(names)


def state_counts(text: str) -> tuple[float, ...]:
    """Of a printed state: its shape (:func:`state_shape`) and five more counts.

    Lines of the local context; and of the first goal the characters of its target, the symbols such as ``∧`` or ``+``
    in its target and in its context, and how deeply brackets are nested in its target.
    """
    first, _, _ = text.partition("\n\n")
    turnstile = _TURNSTILE.search(first)
    target = first[turnstile.end() :] if turnstile else first
    context = first[: turnstile.start()] if turnstile else ""
    return (
        *state_shape(text),
        float(len(_LOCAL_CONTEXT.findall(text))),
        float(len(target)),
        float(len(_OPERATOR.findall(target))),
        float(len(_OPERATOR.findall(context))),
        float(max(accumulate((_NESTING.get(character, 0) for character in target), initial=0))),
    )
