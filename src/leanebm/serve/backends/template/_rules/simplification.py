"""The simplifier: plain, with hypotheses, with a table's lemmas, in the context."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from leanebm.serve.backends.template._goal import PrintedGoal
from leanebm.serve.backends.template._rules.apply import conclusion
from leanebm.serve.backends.template._rules.base import Rule
from leanebm.serve.backends.template._rules.rewriting import lemmas_for

_QUALIFIED: Final = re.compile(r"[A-Z]\w*(\.\w+)+'?")
_MOST_CONSTANTS: Final = 3
_REWRITES: Final = frozenset(["=", "↔", "≠", "¬", "<", "≤", ">", "≥", "∈", "∉"])


def _plain(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    yield "simp", 4.0
    yield "simp_all", 4.0 if goal.hypotheses else 0.5


def _with_hypotheses(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    usable = [h.name for h in goal.hypotheses if conclusion(h.type).head in _REWRITES]
    for name in usable:
        yield f"simp [{name}]", 2.0 if name.startswith("ih") else 1.2
    if len(usable) > 1:
        yield f"simp [{', '.join(usable)}]", 1.0
    if usable:
        yield "simp [*]", 0.7


def _at_hypothesis(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    for hypothesis in goal.hypotheses:
        yield f"simp at {hypothesis.name}", 1.0 if hypothesis.type.head in ("=", "∈", "¬", "↔") else 0.4
    if goal.hypotheses:
        yield "simp at *", 0.4


def _with_lemmas(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    lemmas = list(lemmas_for(goal.target))
    equations = [h.name for h in goal.hypotheses if conclusion(h.type).head == "=" and h.name.startswith("ih")]
    if lemmas:
        yield f"simp only [{', '.join(lemmas)}]", 0.3
    yield from _arithmetic(goal, equations)


def _arithmetic(goal: PrintedGoal, equations: list[str]) -> Iterator[tuple[str, float]]:
    heads = goal.target_heads
    extra = "".join(f", {name}" for name in equations)
    if "+" in heads:
        yield f"simp [Nat.add_comm, Nat.add_left_comm, Nat.add_assoc{extra}]", 0.8
    if "*" in heads:
        yield f"simp [Nat.mul_add, Nat.add_mul, Nat.mul_comm, Nat.mul_left_comm, Nat.mul_assoc{extra}]", 0.8
        yield f"simp only [Nat.mul_add, Nat.add_mul, Nat.mul_one, Nat.one_mul{extra}]", 0.8
    if {"+", "*"} <= heads and goal.hypotheses:
        yield "simp only [Nat.succ_mul, ← Nat.add_assoc, *]", 0.8
    if "^" in heads:
        yield f"simp only [Nat.pow_succ{extra}]", 1.2
        yield f"simp [Nat.pow_succ{extra}]", 0.8


def _unfold(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    # One step only: the simplifier unfolds a recursive definition again and again.
    for constant in islice(_constants(goal), _MOST_CONSTANTS):
        yield f"unfold {constant}", 0.2


def _constants(goal: PrintedGoal) -> Iterator[str]:
    """Library functions in the target, by their full names, each once."""
    types = {variable.name: variable.type.head for variable in goal.data}
    seen: set[str] = set()
    for node in goal.target.walk():
        name = node.head
        if name.startswith(".") and not name[1:].isdigit():
            receiver = node.args[0].head if node.args else ""  # dots of a range, `a<...b`, have none
            name = types.get(receiver, "List" if receiver in ("::", "++", "[]") else "") + name
        if name not in seen and _QUALIFIED.fullmatch(name):
            seen.add(name)
            yield name


RULES: Final = (
    Rule("simp", _plain),
    Rule("simp_hypotheses", _with_hypotheses),
    Rule("simp_at", _at_hypothesis),
    Rule("simp_lemmas", _with_lemmas),
    Rule("unfold", _unfold),
)
