"""Tactics that close a goal outright or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from leanebm._printed.goal import PrintedGoal
from leanebm.serve.backends.template._rules.base import Rule

_ARITHMETIC_RELATIONS: Final = frozenset(["=", "≠", "<", "≤", ">", "≥", "∣", "False"])
_ARITHMETIC: Final = frozenset(["+", "-", "*", "/", "%", "<", "≤", ">", "≥", "∣", "min", "max", "neg"])


def _is_arithmetic(goal: PrintedGoal) -> bool:
    mentions_numbers = bool(goal.heads & _ARITHMETIC) or any(head.isdigit() for head in goal.heads)
    return mentions_numbers and bool(goal.heads & _ARITHMETIC_RELATIONS)


def affordable_grind(goal: PrintedGoal) -> str:
    """``grind``, kept short where it would rather work for a minute than give up.

    Products of variables feed its ring solver a new polynomial with every instance of a lemma, so
    there it gets fewer rounds of instantiation. On the bundled statements that loses no proof.
    """
    return "grind (ematch := 3) (gen := 3)" if goal.is_nonlinear else "grind"


def _grind(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    if goal.is_nonlinear:
        yield "grind", 0.2
    yield affordable_grind(goal), 6.0


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
