"""Witnesses for ``∃``, and anonymous constructors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from leanebm.serve.backends.template.expression import Expression
from leanebm.serve.backends.template.goal import PrintedGoal
from leanebm.serve.backends.template.rules.base import Rule

__all__ = ["RULES"]

_CONSTANTS: Final[dict[str, tuple[str, ...]]] = {
    "Nat": ("0", "1"),
    "Int": ("0", "1"),
    "Bool": ("true", "false"),
    "List": ("[]",),
    "Option": ("none",),
    "Prop": ("True", "False"),
}


def _exists(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    if goal.target.head != "∃":
        return
    binder, *others = goal.target.binders
    hole = ", ".join(["?_"] * (1 + len(others)))
    for witness, weight in _candidates(goal, binder.name, goal.target.args[0]).items():
        yield f"refine ⟨{witness}, {hole}⟩", weight
        yield f"exact ⟨{witness}, by simp⟩", 0.4 * weight
    if goal.target.args[0].head == "=":
        yield "exact ⟨_, rfl⟩", 3.0
    for hypothesis in goal.hypotheses:
        yield f"exact ⟨_, {hypothesis.name}⟩", 1.0 if hypothesis.type.head == goal.target.args[0].head else 0.3


def _candidates(goal: PrintedGoal, name: str, body: Expression) -> dict[str, float]:
    """Witness → weight. The best ones are those that an equation in the body forces."""
    found: dict[str, float] = {}
    for node in body.walk():
        if node.head == "=":
            for this, other in (node.args, node.args[::-1]):
                if this.head == name and not other.mentions(name):
                    found.setdefault(other.atomic_text, 6.0)
    for difference in _differences(name, body):
        found.setdefault(difference, 4.0)
    for variable in goal.data:
        if variable.type.text in ("Type", "Prop") or variable.type.head in ("→", "∀"):
            continue
        found.setdefault(variable.name, 1.5)
        if variable.type.head in ("Nat", "Int"):
            found.setdefault(f"({variable.name} + 1)", 1.0)
            found.setdefault(f"({variable.name} - 1)", 0.3)
    types = {v.type.head for v in goal.data} | {"Nat"}
    for head in sorted(types & _CONSTANTS.keys()):
        for constant in _CONSTANTS[head]:
            found.setdefault(constant, 0.6)
    return found


def _differences(name: str, body: Expression) -> Iterator[str]:
    """``b = a + x`` is solved by ``x = b - a``."""
    for node in body.walk():
        if node.head != "=":
            continue
        for total, addition in (node.args, node.args[::-1]):
            if addition.head == "+" and len(addition.args) == 2:
                for part, rest in (addition.args, addition.args[::-1]):
                    if part.head == name and not rest.mentions(name) and not total.mentions(name):
                        yield f"({total.atomic_text} - {rest.atomic_text})"


def _anonymous(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    """``exact ⟨h₁, h₂⟩`` where the context already holds both halves."""
    by_type = {hypothesis.type: hypothesis.name for hypothesis in goal.hypotheses}
    if goal.target.head == "∧" and all(part in by_type for part in goal.target.args):
        yield f"exact ⟨{', '.join(by_type[part] for part in goal.target.args)}⟩", 8.0
    if goal.target.head == "∨":
        for constructor, side in zip(("Or.inl", "Or.inr"), goal.target.args, strict=True):
            if side in by_type:
                yield f"exact {constructor} {by_type[side]}", 8.0


RULES: Final = (Rule("witness", _exists), Rule("anonymous", _anonymous))
