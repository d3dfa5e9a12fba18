"""Structural induction, with names for what it brings and with the right variables generalised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from leanebm.serve.backends.template._goal import PrintedGoal, Variable
from leanebm.serve.backends.template._rules.automation import affordable_grind
from leanebm.serve.backends.template._rules.base import Rule

_INDUCTIVE: Final = frozenset({"Nat", "List"})


def _induction(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    for variable in goal.data:
        if variable.type.head not in _INDUCTIVE or not _matters(goal, variable):
            continue
        weight = _preference(goal, variable)
        alternatives = _alternatives(goal, variable)
        yield f"induction {variable.name} with {alternatives}", weight
        if others := _worth_generalising(goal, variable):
            yield f"induction {variable.name} generalizing {' '.join(others)} with {alternatives}", 0.8 * weight


def _combined(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    for variable in goal.data:
        if variable.type.head in _INDUCTIVE and _matters(goal, variable):
            weight = _preference(goal, variable)
            others = _worth_generalising(goal, variable)
            generalizing = f" generalizing {' '.join(others)}" if others else ""
            for finisher, chance in (("simp_all", 0.4), ("omega", 0.3), (affordable_grind(goal), 0.25)):
                yield f"induction {variable.name}{generalizing} <;> {finisher}", chance * weight


def _strong(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    for variable in goal.of_type("Nat"):
        if _matters(goal, variable):
            ih = goal.fresh("ih")
            yield f"induction {variable.name} using Nat.strongRecOn with | ind {variable.name} {ih} => ?_", 0.4


def _matters(goal: PrintedGoal, variable: Variable) -> bool:
    return variable.name in goal.target_heads


def _preference(goal: PrintedGoal, variable: Variable) -> float:
    """Prefer what functions in the target recurse on: the first argument or the receiver of a call."""
    recursed = any(
        node.args and node.args[0].head == variable.name and (node.head.startswith((".", "++")) or "." in node.head)
        for node in goal.target.walk()
    )
    counted = variable.type.head == "Nat" and any(
        node.args and node.args[-1].head == variable.name for node in goal.target.walk()
    )
    already_deep = any(h.name.startswith("ih") for h in goal.hypotheses)
    base = 4.0 if variable.type.head == "List" else 2.5
    return base * (1.5 if recursed or counted else 1.0) * (0.4 if already_deep else 1.0)


def _alternatives(goal: PrintedGoal, variable: Variable) -> str:
    ih = goal.fresh("ih")
    name = variable.name
    if variable.type.head == "Nat":
        return f"| zero => ?_ | succ {name} {ih} => ?_"
    singular = name[:-1] if len(name) == 2 and name.endswith("s") else "x"
    return f"| nil => ?_ | cons {goal.fresh(singular, frozenset({name}))} {name} {ih} => ?_"


def _worth_generalising(goal: PrintedGoal, variable: Variable) -> list[str]:
    """The other data in the target: an accumulator or a second list usually changes with the first."""
    fixed = {"Type", "Prop"}
    return [
        other.name
        for other in goal.data
        if other.name != variable.name
        and other.type.text not in fixed
        and not other.type.text.startswith(("Type", "Sort"))
        and other.type.head not in ("→", "∀", "DecidableEq", "BEq", "Decidable")
        and other.name in goal.target_heads
        and not variable.type.mentions(other.name)
    ]


RULES: Final = (
    Rule("induction", _induction),
    Rule("induction_then", _combined),
    Rule("strong_induction", _strong),
)
