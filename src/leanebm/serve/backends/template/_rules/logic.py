"""Taking the target apart by its connective, classical case distinctions, and witnesses for ``∃``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from leanebm._printed.expression import Expression
from leanebm._printed.goal import PrintedGoal
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


_CONSTANTS: Final[dict[str, tuple[str, ...]]] = {
    "Nat": ("0", "1"),
    "Int": ("0", "1"),
    "Bool": ("true", "false"),
    "List": ("[]",),
    "Option": ("none",),
    "Prop": ("True", "False"),
}
_INVERSES: Final = {"+": "-", "*": "/"}
_ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "%", "<", "≤", ">", "≥", "∣"})


def _exists(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    if goal.target.head != "∃":
        return
    binder, *others = goal.target.binders
    body = goal.target.args[0]
    closer = "omega" if body.heads() & _ARITHMETIC else "simp"
    for witness, weight in _candidates(goal, binder.name, body).items():
        yield f"refine ⟨{witness}, ?_⟩", weight
        if not others:
            yield f"exact ⟨{witness}, by {closer}⟩", 0.6 * weight
    if body.head == "=":
        yield "exact ⟨_, rfl⟩", 3.0
    for hypothesis in goal.hypotheses:
        yield f"exact ⟨_, {hypothesis.name}⟩", 1.0 if hypothesis.type.head == body.head else 0.3


def _candidates(goal: PrintedGoal, name: str, body: Expression) -> dict[str, float]:
    """Witness → weight, the most telling reason first."""
    found: dict[str, float] = {}
    for witness in _solutions(name, body):
        found.setdefault(witness, 6.0)
    for witness in _remainders(goal, name, body):
        found.setdefault(witness, 4.0)
    for variable in goal.data:
        if variable.type.text in ("Type", "Prop") or variable.type.head in ("→", "∀"):
            continue
        found.setdefault(variable.name, 1.5)
        if variable.type.head in ("Nat", "Int"):
            found.setdefault(f"({variable.name} + 1)", 1.0)
            found.setdefault(f"({variable.name} - 1)", 0.3)
    for function, argument in _applications(goal):
        found.setdefault(f"({function} {argument})", 0.7)
    for head_variable, tail in _conses(goal):
        found.setdefault(f"({head_variable} :: {tail})", 1.0)
    types = {node.head for v in goal.data for node in v.type.walk()} | {"Nat"}
    for head in sorted(types & _CONSTANTS.keys()):
        for constant in _CONSTANTS[head]:
            found.setdefault(constant, 0.6)
    return found


def _applications(goal: PrintedGoal) -> Iterator[tuple[str, str]]:
    """Local functions with the variables they apply to."""
    for function in goal.data:
        if function.type.head == "→" and function.type.args[1].head not in ("→", "Prop"):
            yield from ((function.name, v.name) for v in goal.data if v.type == function.type.args[0])


def _conses(goal: PrintedGoal) -> Iterator[tuple[str, str]]:
    """Local elements with the local lists they fit into."""
    for tail in goal.of_type("List"):
        if tail.type.args:
            yield from ((v.name, tail.name) for v in goal.data if v.type == tail.type.args[0])


def _solutions(name: str, body: Expression) -> Iterator[str]:
    """What the equations in ``body`` force ``name`` to be."""
    for node in body.walk():
        if node.head == "=":
            for this, other in (node.args, node.args[::-1]):
                if not other.mentions(name):
                    yield from _solve(name, this, other.atomic_text)


def _solve(name: str, side: Expression, value: str) -> Iterator[str]:
    """Solve ``side = value`` by moving sums and products to the other side; division rounds down."""
    if side.is_atom:
        if side.head == name:
            yield value
        return
    if side.head in _INVERSES and len(side.args) == 2:
        for part, rest in (side.args, side.args[::-1]):
            if part.mentions(name) and not rest.mentions(name):
                yield from _solve(name, part, f"({value} {_INVERSES[side.head]} {rest.atomic_text})")


def _remainders(goal: PrintedGoal, name: str, body: Expression) -> Iterator[str]:
    """``x % c = r`` is met by ``c * v + r``, which for a variable ``v`` is also as large as one likes."""
    for node in body.walk():
        match node:
            case Expression(head="=", args=(Expression(head="%", args=(dividend, divisor)), rest)):
                if dividend.head == name and not rest.mentions(name):
                    for variable in goal.of_type("Nat"):
                        yield f"({divisor.atomic_text} * {variable.name} + {rest.atomic_text})"


def _anonymous(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    """``exact ⟨h₁, h₂⟩`` where the context already holds both halves."""
    by_type = {hypothesis.type: hypothesis.name for hypothesis in goal.hypotheses}
    if goal.target.head == "∧" and all(part in by_type for part in goal.target.args):
        yield f"exact ⟨{', '.join(by_type[part] for part in goal.target.args)}⟩", 8.0
    if goal.target.head == "∨":
        for constructor, side in zip(("Or.inl", "Or.inr"), goal.target.args, strict=True):
            if side in by_type:
                yield f"exact {constructor} {by_type[side]}", 8.0


RULES: Final = (
    Rule("constructor", _constructor),
    Rule("side", _side),
    Rule("by_cases", _by_cases),
    Rule("by_contradiction", _by_contradiction),
    Rule("witness", _exists),
    Rule("anonymous", _anonymous),
)
