"""Patterns for ``rcases``, ``obtain`` and ``rintro``, read off a hypothesis's type."""

from __future__ import annotations

from typing import Final

from leanebm.serve.backends.template.expression import Expression
from leanebm.serve.backends.template.goal import PrintedGoal

__all__ = ["destructuring_pattern"]


_BRACKETS: Final = {"∧": ("⟨", "⟩"), "∃": ("⟨", "⟩"), "∨": ("(", ")")}
_DEEPEST: Final = 64
"""Levels of a type that are taken apart; what lies deeper keeps one name."""


def destructuring_pattern(type_: Expression, name: str, goal: PrintedGoal) -> str:
    """A pattern that takes ``type_`` apart down to its parts; ``name`` itself if it has none.

    Disjunctions keep one name for both sides, so that later tactics need not know which side they
    are on. ``name`` is given to the first part, since the whole is gone afterwards.
    """
    return _part(type_, name, goal, set(), _DEEPEST)


def _pattern(type_: Expression, name: str, goal: PrintedGoal, used: set[str], levels: int) -> str:
    """The inside of the pattern: right-nested pairs are written flat, as Lean reads them."""
    match type_.head if levels else None:
        case "∧":
            left, right = type_.args
            return f"{_part(left, name, goal, used, levels - 1)}, {_pattern(right, name, goal, used, levels - 1)}"
        case "∃":
            witnesses = [_take(binder.name.lstrip("_") or "x", name, goal, used) for binder in type_.binders]
            return ", ".join([*witnesses, _pattern(type_.args[0], name, goal, used, levels - 1)])
        case "∨":
            return " | ".join(_part(side, name, goal, set(used), levels - 1) for side in type_.args)
        case _:
            return _take(name, name, goal, used)


def _part(type_: Expression, name: str, goal: PrintedGoal, used: set[str], levels: int) -> str:
    inside = _pattern(type_, name, goal, used, levels)
    opening, closing = _BRACKETS.get(type_.head, ("", "")) if levels else ("", "")
    return f"{opening}{inside}{closing}"


def _take(wanted: str, own: str, goal: PrintedGoal, used: set[str]) -> str:
    # The hypothesis that is taken apart disappears, so its own name is free, once.
    name = wanted if wanted == own and own not in used else goal.fresh(wanted, frozenset(used))
    used.add(name)
    return name
