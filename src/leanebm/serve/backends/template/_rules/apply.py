"""Using hypotheses: ``exact``, ``apply``, ``specialize`` and ``have``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product
from typing import Final

from leanebm._printed.expression import Expression
from leanebm._printed.goal import PrintedGoal, Variable
from leanebm.serve.backends.template._rules.base import Rule
from leanebm.serve.backends.template._rules.introduction import introducible

_MOST_INSTANCES: Final = 6
_ORDER: Final = frozenset({"<", "≤", ">", "≥"})

_FACTS: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "Nat.mul_le_mul": ("≤", frozenset({"*"})),
    "Nat.pow_le_pow_left": ("≤", frozenset({"^"})),
    "Nat.pow_le_pow_right": ("≤", frozenset({"^"})),
    "Nat.pos_pow_of_pos": ("<", frozenset({"^"})),
    "Nat.le_antisymm": ("=", frozenset({"≤"})),
    "Nat.dvd_antisymm": ("=", frozenset({"∣"})),
    "Nat.dvd_add": ("∣", frozenset({"+"})),
    "Nat.dvd_trans": ("∣", frozenset({"∣"})),
    "Nat.dvd_mul_right_of_dvd": ("∣", frozenset({"*"})),
    "Nat.dvd_mul_left_of_dvd": ("∣", frozenset({"*"})),
    "List.ext_getElem": ("=", frozenset({".length", "List.length"})),
}
"""Lemma → the target's head, and a head of which one must occur somewhere in the goal."""


def conclusion(type_: Expression) -> Expression:
    """What is left of a type when all its ``∀`` and ``→`` are used up; ``False`` for a negation."""
    left = type_.conclusion
    return Expression("False", text="False") if left.head in ("¬", "≠") else left


def _exact(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    for hypothesis in goal.hypotheses:
        if hypothesis.type == goal.target:
            yield f"exact {hypothesis.name}", 8.0
        elif hypothesis.type.head in ("=", "↔") and hypothesis.type.args[::-1] == goal.target.args:
            yield f"exact {hypothesis.name}.symm", 6.0
        elif hypothesis.type.head == "∧" and goal.target in hypothesis.type.args:
            yield f"exact {hypothesis.name}.{hypothesis.type.args.index(goal.target) + 1}", 6.0


def _apply(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    for hypothesis in goal.hypotheses:
        premises = introducible(hypothesis.type)
        if not premises or hypothesis.type.head == "≠":
            continue
        result = conclusion(hypothesis.type)
        if result == goal.target:
            yield f"apply {hypothesis.name}", 5.0
        elif result.head == goal.target.head or result.is_atom or result.head in _bound_names(hypothesis.type):
            yield f"apply {hypothesis.name}", 2.5


def _bound_names(type_: Expression) -> frozenset[str]:
    return frozenset(binder.name for binder, _ in introducible(type_))


def _forward(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    """Feed hypotheses to hypotheses, where the types match as printed."""
    by_type: dict[Expression, str] = {h.type: h.name for h in goal.hypotheses}
    for hypothesis in goal.hypotheses:
        if hypothesis.type.head not in ("→", "¬"):
            continue
        argument = by_type.get(hypothesis.type.args[0])
        if argument is None:
            continue
        applied = f"{hypothesis.name} {argument}"
        if conclusion(hypothesis.type).head == "False":
            yield f"exact absurd {argument} {hypothesis.name}", 5.0
        elif hypothesis.type.args[1] == goal.target:
            yield f"exact {applied}", 7.0
        elif hypothesis.type.args[1] not in by_type:
            yield f"have {goal.fresh('h')} := {applied}", 2.5


def _instantiate(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    """Instantiate a ``∀`` at variables of the right printed type, or at simple numerals."""
    known = {hypothesis.type for hypothesis in goal.hypotheses}
    for hypothesis in goal.hypotheses:
        if hypothesis.type.head != "∀":
            continue
        for arguments in islice(_instances(goal, hypothesis), _MOST_INSTANCES):
            result = _instance(hypothesis.type, arguments)
            if result in known:
                continue
            applied = f"{hypothesis.name} {' '.join(arguments)}"
            if result.head == "→" and result.args[0].head in _ORDER:
                yield f"have {goal.fresh('h')} := {applied} (by omega)", 1.5
            yield f"have {goal.fresh('h')} := {applied}", 1.2
            yield f"specialize {applied}", 0.5
            if result.head in ("=", "↔"):
                yield f"rw [{applied}]", 0.7


def _instance(type_: Expression, arguments: tuple[str, ...]) -> Expression:
    names = [binder.name for binder in type_.binders if not binder.is_implicit]
    values = {name: Expression(value, text=value) for name, value in zip(names, arguments, strict=True)}
    return type_.args[0].substitute(values)


def _instances(goal: PrintedGoal, hypothesis: Variable) -> Iterator[tuple[str, ...]]:
    choices: list[list[str]] = []
    for binder in hypothesis.type.binders:
        if binder.is_implicit:
            continue
        if binder.name.startswith("_") or binder.type is None:
            return
        fitting = [v.name for v in goal.data if v.type.text == binder.type]
        if binder.type in ("Nat", "Int"):
            fitting += [*(f"({name} + 1)" for name in fitting[:1]), "0"]
        choices.append(fitting)
    yield from product(*choices)


def _choose(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    """Turn ``∀ x, ∃ y, …`` into a function that picks ``y``."""
    for hypothesis in goal.hypotheses:
        if hypothesis.type.head == "∀" and hypothesis.type.args[0].head == "∃":
            pattern = f"⟨{goal.fresh('g')}, {goal.fresh('hg')}⟩"
            yield f"obtain {pattern} := Classical.axiomOfChoice {hypothesis.name}", 1.0


def _library(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    """Library facts that automation tends not to think of, where their shape is in sight."""
    for lemma, (target, elsewhere) in _FACTS.items():
        if goal.target.head == target and elsewhere & goal.heads:
            yield f"apply {lemma}", 1.5


def _absurd(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    negations = [h for h in goal.hypotheses if h.type.head in ("¬", "≠")]
    if goal.target.head == "False":
        yield from ((f"apply {h.name}", 3.0) for h in negations)
    else:
        yield from ((f"refine absurd ?_ {h.name}", 0.6) for h in negations)
        if negations:
            yield "exfalso", 0.7


RULES: Final = (
    Rule("exact", _exact),
    Rule("apply", _apply),
    Rule("forward", _forward),
    Rule("instantiate", _instantiate),
    Rule("choose", _choose),
    Rule("apply_library", _library),
    Rule("absurd", _absurd),
)
