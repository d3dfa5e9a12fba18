"""Patterns for ``rcases``, ``obtain`` and ``rintro``, read off a hypothesis's type."""

from __future__ import annotations

from leanebm.serve.backends.template.expression import Expression
from leanebm.serve.backends.template.goal import PrintedGoal

__all__ = ["destructuring_pattern"]


def destructuring_pattern(type_: Expression, name: str, goal: PrintedGoal) -> str:
    """A pattern that takes ``type_`` apart down to its parts; ``name`` itself if it has none.

    Disjunctions keep one name for both sides, so that later tactics need not know which side they
    are on.
    """
    return _pattern(type_, name, goal, [])


def _pattern(type_: Expression, name: str, goal: PrintedGoal, used: list[str]) -> str:
    match type_.head:
        case "∧":
            return (
                "⟨" + ", ".join(_pattern(part, _fresh(f"{name}1", goal, used), goal, used) for part in type_.args) + "⟩"
            )
        case "∃":
            witnesses = [
                _fresh(binder.name if not binder.name.startswith("_") else f"{name}1", goal, used)
                for binder in type_.binders
            ]
            body = _pattern(type_.args[0], _fresh(f"{name}1", goal, used), goal, used)
            return "⟨" + ", ".join([*witnesses, body]) + "⟩"
        case "∨":
            sides = [_pattern(side, name, goal, list(used)) for side in type_.args]
            return "(" + " | ".join(sides) + ")"
        case _:
            return name


def _fresh(wanted: str, goal: PrintedGoal, used: list[str]) -> str:
    name = goal.fresh(wanted, frozenset(used))
    used.append(name)
    return name
