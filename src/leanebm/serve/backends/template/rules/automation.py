"""Tactics that close a goal outright or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from leanebm.serve.backends.template.goal import PrintedGoal
from leanebm.serve.backends.template.rules.base import Rule

__all__ = ["RULES"]

_ARITHMETIC_RELATIONS: Final = frozenset(["=", "≠", "<", "≤", ">", "≥", "∣", "False"])
_ARITHMETIC: Final = frozenset(["+", "-", "*", "/", "%", "<", "≤", ">", "≥", "∣", "min", "max", "neg"])


def _is_arithmetic(goal: PrintedGoal) -> bool:
    mentions_numbers = bool(goal.heads & _ARITHMETIC) or any(head.isdigit() for head in goal.heads)
    return mentions_numbers and bool(goal.heads & _ARITHMETIC_RELATIONS)


def _grind(goal: PrintedGoal) -> Iterator[tuple[str, float]]:  # noqa: ARG001 - every goal deserves it
    yield "grind", 6.0


def _omega(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    if _is_arithmetic(goal):
        yield "omega", 5.0


def _rfl(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    if goal.target.head in ("=", "↔", "≤"):
        yield "rfl", 3.0


def _decide(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    closed = not goal.variables
    finite = closed and goal.target.head == "∀" and all(b.type == "Bool" for b in goal.target.binders)
    if finite or (closed and goal.target.head != "∀"):
        yield "decide", 4.0


def _contradiction(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    if goal.hypotheses:
        yield "contradiction", 2.0 if goal.target.head == "False" else 0.7


RULES: Final = (
    Rule("grind", _grind),
    Rule("omega", _omega),
    Rule("rfl", _rfl),
    Rule("decide", _decide),
    Rule("contradiction", _contradiction),
)
