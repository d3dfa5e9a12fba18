"""Rewriting with hypotheses and with a small table of library equations, and the simplifier with the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from leanebm._printed.expression import Expression
from leanebm._printed.goal import PrintedGoal
from leanebm.serve.backends.template._rules.apply import conclusion
from leanebm.serve.backends.template._rules.base import Rule
from leanebm.serve.backends.template._rules.introduction import introducible

LEMMAS: Final[dict[str, tuple[str, ...]]] = {
    "+": ("Nat.add_comm", "Nat.add_assoc", "Nat.add_left_comm", "Nat.succ_add"),
    "*": ("Nat.mul_comm", "Nat.mul_assoc", "Nat.mul_add", "Nat.add_mul", "Nat.mul_succ", "Nat.succ_mul"),
    "^": ("Nat.pow_succ", "Nat.pow_add", "Nat.mul_pow"),
    "-": ("Nat.sub_add_cancel", "Nat.sub_self", "Nat.sub_sub"),
    "++": ("List.append_assoc", "List.cons_append"),
    "length": ("List.length_append", "List.length_cons", "List.length_map"),
    "reverse": ("List.reverse_append", "List.reverse_cons", "List.map_reverse"),
    "map": ("List.map_cons", "List.map_append", "List.map_map"),
    "filter": ("List.filter_cons", "List.filter_append"),
    "sum": ("List.sum_cons", "List.sum_append"),
    "foldl": ("List.foldl_cons", "List.foldl_append"),
    "foldr": ("List.foldr_cons", "List.foldr_append"),
    "min": ("Nat.min_def",),
    "max": ("Nat.max_def",),
    "∣": ("Nat.dvd_add", "Nat.dvd_mul_right"),
    "∘": ("Function.comp",),
}
"""By the operator or the last component of the name that must occur."""

UNROLLING: Final[dict[str, str]] = {
    "range": "List.range_succ",
    "repeat": "Nat.repeat",
    "iterate": "Nat.iterate",
    "replicate": "List.replicate_succ",
    "ofFn": "List.ofFn_succ",
    "finRange": "List.finRange_succ",
}
"""The same for functions whose recursion must be asked for."""

_EQUATIONAL: Final = ("=", "↔")


def lemmas_for(target: Expression) -> Iterator[str]:
    """Table entries whose key occurs in the target, each once."""
    keys = {head.rsplit(".", 1)[-1] or head for head in target.heads()}
    return (lemma for key, lemmas in LEMMAS.items() if key in keys for lemma in lemmas)


def _rewrite(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    for hypothesis in goal.hypotheses:
        result = conclusion(hypothesis.type)
        if result.head not in _EQUATIONAL:
            continue
        left, right = result.args
        variables = {binder.name for binder, _ in introducible(hypothesis.type)}
        bonus = 1.5 if hypothesis.name.startswith("ih") else 1.0
        if _determines(left, variables):
            yield f"rw [{hypothesis.name}]", 2.0 * bonus
        if _determines(right, variables):
            yield f"rw [← {hypothesis.name}]", 1.0 * bonus


def _determines(pattern: Expression, variables: set[str]) -> bool:
    """Whether rewriting with a pattern finds its places and fixes every variable.

    A numeral or a bare variable matches too much, and a variable that the pattern leaves out would
    stay behind as a hole.
    """
    too_general = pattern.is_atom and (pattern.head.isdigit() or pattern.head in variables)
    present = {node.head for node in pattern.walk()}
    return not too_general and all(name in present for name in variables if not name.startswith("_"))


def _rewrite_at(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    equations = [h for h in goal.hypotheses if h.type.head in _EQUATIONAL]
    for equation in equations[-4:]:
        for other in goal.hypotheses[-4:]:
            if other != equation and other.type.heads() & equation.type.args[0].heads():
                yield f"rw [{equation.name}] at {other.name}", 0.5
                yield f"rw [← {equation.name}] at {other.name}", 0.25


def _substitute(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    names = {variable.name for variable in goal.data}
    for hypothesis in goal.hypotheses:
        if hypothesis.type.head == "=" and any(arg.is_atom and arg.head in names for arg in hypothesis.type.args):
            yield f"subst {hypothesis.name}", 3.0


def _unrolling(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    """One step of a library recursion that the simplifier does not take by itself."""
    heads = {head.rsplit(".", 1)[-1] for head in goal.target_heads}
    equations = "".join(f", {h.name}" for h in goal.hypotheses if h.name.startswith("ih"))
    for lemma in (lemma for key, lemma in UNROLLING.items() if key in heads):
        yield f"simp [{lemma}{equations}]", 2.0
        yield f"grind [{lemma}]", 1.5
        yield f"rw [{lemma}]", 1.5


def _library(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    for lemma in lemmas_for(goal.target):
        yield f"rw [{lemma}]", 0.3


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
    Rule("rw", _rewrite),
    Rule("rw_at", _rewrite_at),
    Rule("subst", _substitute),
    Rule("unroll", _unrolling),
    Rule("rw_library", _library),
    Rule("simp", _plain),
    Rule("simp_hypotheses", _with_hypotheses),
    Rule("simp_at", _at_hypothesis),
    Rule("simp_lemmas", _with_lemmas),
    Rule("unfold", _unfold),
)
