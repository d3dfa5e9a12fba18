"""Equality of functions, sets and structures, and congruence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from leanebm.serve.backends.template.goal import PrintedGoal
from leanebm.serve.backends.template.rules.base import Rule

__all__ = ["RULES"]


def _funext(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    if goal.target.head != "=":
        return
    functions = {v.name for v in goal.data if v.type.head in ("→", "∀")}
    is_function = any(
        arg.head in ("fun", "∘", "id") or (arg.is_atom and arg.head in functions) for arg in goal.target.args
    )
    yield f"funext {goal.fresh('x')}", 4.0 if is_function else 0.2


def _ext(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    if goal.target.head == "=":
        yield f"ext {goal.fresh('x')}", 0.3
        yield "ext", 0.2
        yield "apply propext", 1.0 if any(v.type.text == "Prop" for v in goal.data) else 0.05


def _congruence(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    if goal.target.head == "=":
        left, right = goal.target.args
        yield "congr 1", 1.2 if left.head == right.head and not left.is_atom else 0.2


def _symmetry(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    if goal.target.head in ("=", "↔"):
        yield "symm", 0.15


RULES: Final = (
    Rule("funext", _funext),
    Rule("ext", _ext),
    Rule("congr", _congruence),
    Rule("symm", _symmetry),
)
