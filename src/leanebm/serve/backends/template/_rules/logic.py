"""Taking the target apart by its connective, and classical case distinctions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from leanebm.serve.backends.template._expression import Expression
from leanebm.serve.backends.template._goal import PrintedGoal
from leanebm.serve.backends.template._rules.base import Rule


def _constructor(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    if goal.target.head in ("∧", "↔"):
        yield "constructor", 5.0
    if goal.target.head == "↔":
        name = goal.fresh("h")
        yield f"constructor <;> intro {name}", 4.0
        yield "apply propext", 0.1


def _side(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    if goal.target.head == "∨":
        known = {hypothesis.type for hypothesis in goal.hypotheses}
        for tactic, side in zip(("left", "right"), goal.target.args, strict=True):
            yield tactic, 5.0 if side in known else 2.0


def _by_cases(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    name = goal.fresh("hc")
    known = {_without_negation(hypothesis.type) for hypothesis in goal.hypotheses}
    for condition in _conditions(goal):
        if condition not in known:
            yield f"by_cases {name} : {condition.text}", 1.5


def _conditions(goal: PrintedGoal) -> Iterator[Expression]:
    """Propositional variables and the conditions of ``if``, each once, closed terms only."""
    seen: set[Expression] = set()
    propositions = {v.name for v in goal.data if v.type.text == "Prop"}
    for root in (goal.target, *(h.type for h in goal.hypotheses)):
        for node, bound in _walk_with_bound(root, frozenset()):
            found = node.args[0] if node.head == "if" else node if node.is_atom and node.head in propositions else None
            if found is not None and found not in seen and not (bound & found.heads()):
                seen.add(found)
                yield found


def _walk_with_bound(node: Expression, bound: frozenset[str]) -> Iterator[tuple[Expression, frozenset[str]]]:
    yield node, bound
    inside = bound | {binder.name for binder in node.binders}
    for arg in node.args:
        yield from _walk_with_bound(arg, inside)


def _without_negation(type_: Expression) -> Expression:
    return type_.args[0] if type_.head == "¬" else type_


def _by_contradiction(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    if goal.target.head in ("∃", "∨") or (goal.target.is_atom and goal.target.head not in ("False", "True")):
        yield f"apply Classical.byContradiction; intro {goal.fresh('hn')}", 0.8


RULES: Final = (
    Rule("constructor", _constructor),
    Rule("side", _side),
    Rule("by_cases", _by_cases),
    Rule("by_contradiction", _by_contradiction),
)
