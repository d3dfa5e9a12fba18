"""Rewriting with hypotheses and with a small table of library equations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from leanebm.serve.backends.template._expression import Expression
from leanebm.serve.backends.template._goal import PrintedGoal
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


RULES: Final = (
    Rule("rw", _rewrite),
    Rule("rw_at", _rewrite_at),
    Rule("subst", _substitute),
    Rule("unroll", _unrolling),
    Rule("rw_library", _library),
)
