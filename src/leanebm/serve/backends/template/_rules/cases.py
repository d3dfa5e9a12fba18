"""Case distinctions on data, on hypotheses, and on the branches of ``if`` and ``match``; and structural induction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from leanebm._printed.expression import Expression
from leanebm._printed.goal import PrintedGoal, Variable
from leanebm.serve.backends.template._rules.automation import affordable_grind
from leanebm.serve.backends.template._rules.base import Rule
from leanebm.serve.backends.template._rules.introduction import destructuring_pattern

_ALTERNATIVES: Final[dict[str, str]] = {
    "Bool": "| false => ?_ | true => ?_",
    "Option": "| none => ?_ | some {x} => ?_",
    "List": "| nil => ?_ | cons {x} {xs} => ?_",
    "Nat": "| zero => ?_ | succ {n} => ?_",
    "Sum": "| inl {x} => ?_ | inr {y} => ?_",
    "⊕": "| inl {x} => ?_ | inr {y} => ?_",
    "Prod": "| mk {x} {y} => ?_",
    "×": "| mk {x} {y} => ?_",
    "Unit": "| unit => ?_",
    "Except": "| error {e} => ?_ | ok {x} => ?_",
    "Subtype": "| mk {x} {h} => ?_",
    "Fin": "| mk {n} {h} => ?_",
    "Int": "| ofNat {n} => ?_ | negSucc {n} => ?_",
}
_PREFERENCE: Final = {"Bool": 3.5, "Option": 3.0, "×": 2.5, "Prod": 2.5, "⊕": 2.5, "Nat": 0.8, "List": 1.0, "Int": 0.3}
_BRANCHING: Final = frozenset(["if", "match", "ite", "dite"])


def _data(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    for variable in goal.data:
        if (alternatives := _ALTERNATIVES.get(variable.type.head)) is None:
            continue
        relevant = variable.name in goal.target_heads
        weight = _PREFERENCE.get(variable.type.head, 1.5) * (1.0 if relevant else 0.3)
        named = alternatives.format(**_names(goal, variable.name))
        yield f"cases {variable.name} with {named}", weight
        if variable.type.head in ("Bool", "Option"):
            yield f"cases {variable.name} <;> simp_all", 0.7 * weight


def _names(goal: PrintedGoal, replaced: str) -> dict[str, str]:
    """Readable names for the new parts; the replaced variable's own name is free again."""
    n = replaced if len(replaced) <= 2 else goal.fresh("n")
    x = replaced[:-1] if len(replaced) == 2 and replaced.endswith("s") else "x"
    names = {
        "x": goal.fresh(x),
        "xs": replaced,
        "n": n,
        "y": goal.fresh("y"),
        "e": goal.fresh("e"),
        "h": goal.fresh("h"),
    }
    return names if names["x"] != replaced else {**names, "x": goal.fresh("x", frozenset({replaced}))}


def _hypothesis(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    for hypothesis in goal.hypotheses:
        name, type_ = hypothesis.name, hypothesis.type
        if type_.head in ("∧", "∃"):
            if (pattern := destructuring_pattern(type_, name, goal)) != name:
                yield f"obtain {pattern} := {name}", 5.0
        elif type_.head == "∨":
            yield f"cases {name} with | inl {name} => ?_ | inr {name} => ?_", 5.0
            yield f"rcases {name} with {destructuring_pattern(type_, name, goal)}", 2.0
        elif type_.head == "↔":
            first, second = goal.fresh(f"{name}1"), goal.fresh(f"{name}2")
            yield f"obtain ⟨{first}, {second}⟩ := {name}", 1.5
        elif type_.head == "False":
            yield f"exact {name}.elim", 8.0
        elif type_.head in ("=", "≤", "<", "∈") and not _is_numeric_fact(type_):
            yield f"cases {name}", 1.0


def _is_numeric_fact(type_: Expression) -> bool:
    return bool(type_.heads() & frozenset(["+", "-", "*", "/", "%"]))


def _boolean_values(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    """The two values of an unknown function into ``Bool``, at the arguments in sight and at both constants."""
    predicates = {v.name: v.type for v in goal.data if v.type.head == "→" and v.type.args[-1].head == "Bool"}
    names = {variable.name for variable in goal.variables} | {"true", "false"}
    name = goal.fresh("hb")
    for root in (goal.target, *(hypothesis.type for hypothesis in goal.hypotheses)):
        for node in root.walk():
            if node.head in predicates and node.args and {leaf.head for leaf in node.walk() if leaf.is_atom} <= names:
                yield f"cases {name} : {node.bare_text} <;> simp_all", 1.2
                yield f"cases {name} : {node.bare_text}", 0.8
    for function, type_ in predicates.items():
        if type_.args[0].head == "Bool":
            yield f"cases {name} : {function} true <;> cases {goal.fresh('hc')} : {function} false <;> simp_all", 1.5


def _numeric(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    """Two base cases at once, where the goal looks two steps back; parity, where it divides."""
    looks_back = any(
        node.head == "+" and node.args[-1].head == "2" for h in goal.hypotheses for node in h.type.walk() if node.args
    )
    divides = bool(goal.target_heads & frozenset(["%", "∣", "/"]))
    for variable in goal.of_type("Nat"):
        name = variable.name
        if looks_back and name in goal.target_heads:
            yield f"rcases {name} with _ | _ | {name}", 1.5
        if divides and name in goal.target_heads:
            fact = goal.fresh("hm")
            yield f"rcases Nat.mod_two_eq_zero_or_one {name} with {fact} | {fact}", 0.6


def _split(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    if goal.target_heads & _BRANCHING or "if " in goal.target.text or "match " in goal.target.text:
        yield "split", 5.0
        yield "split <;> simp_all", 2.0
        yield "split <;> omega", 1.0
        yield f"split <;> {affordable_grind(goal)}", 1.0
    for hypothesis in goal.hypotheses:
        if "if " in hypothesis.type.text or "match " in hypothesis.type.text:
            yield f"split at {hypothesis.name}", 3.0


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
    Rule("cases", _data),
    Rule("cases_hypothesis", _hypothesis),
    Rule("cases_boolean", _boolean_values),
    Rule("cases_numeric", _numeric),
    Rule("split", _split),
    Rule("induction", _induction),
    Rule("induction_then", _combined),
    Rule("strong_induction", _strong),
)
