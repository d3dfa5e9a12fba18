"""Moving what the target assumes into the context, under names that tactics can write; and equality, part by part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from leanebm._printed.expression import Binder, Expression
from leanebm._printed.goal import PrintedGoal
from leanebm.serve.backends.template._rules.base import Rule

_BRACKETS: Final = {"∧": ("⟨", "⟩"), "∃": ("⟨", "⟩"), "∨": ("(", ")")}
_DEEPEST: Final = 64
"""Levels of a type that are taken apart, and names of one ``∃``; what is deeper or longer keeps one name."""


def destructuring_pattern(type_: Expression, name: str, goal: PrintedGoal) -> str:
    """A pattern that takes ``type_`` apart down to its parts; ``name`` itself if it has none.

    Disjunctions keep one name for both sides, so that later tactics need not know which side they
    are on. ``name`` is given to the first part, since the whole is gone afterwards.
    """
    return _part(type_, name, goal, set(), _DEEPEST)


def _pattern(type_: Expression, name: str, goal: PrintedGoal, used: set[str], levels: int) -> str:
    """The inside of the pattern: right-nested pairs are written flat, as Lean reads them."""
    match type_.head if _has_parts(type_, levels) else None:
        case "∧":
            left, right = type_.args
            return f"{_part(left, name, goal, used, levels - 1)}, {_pattern(right, name, goal, used, levels - 1)}"
        case "∃":
            witnesses = [_take(binder.name.lstrip("_") or "x", name, goal, used) for binder in type_.binders]
            return ", ".join([*witnesses, _pattern(type_.args[0], name, goal, used, levels - 1)])
        case "∨":
            return " | ".join(_part(side, name, goal, set(used), levels - 1) for side in type_.args)
        case _:
            return _take(name, name, goal, used)


def _part(type_: Expression, name: str, goal: PrintedGoal, used: set[str], levels: int) -> str:
    inside = _pattern(type_, name, goal, used, levels)
    opening, closing = _BRACKETS[type_.head] if _has_parts(type_, levels) else ("", "")
    return f"{opening}{inside}{closing}"


def _has_parts(type_: Expression, levels: int) -> bool:
    return type_.head in _BRACKETS and levels >= max(1, len(type_.binders))


def _take(wanted: str, own: str, goal: PrintedGoal, used: set[str]) -> str:
    # The hypothesis that is taken apart disappears, so its own name is free, once.
    name = wanted if wanted == own and own not in used else goal.fresh(wanted, used)
    used.add(name)
    return name


def introducible(target: Expression) -> list[tuple[Binder, Expression | None]]:
    """The binders in front of the target, outermost first, and the premise's type where it is an arrow."""
    found: list[tuple[Binder, Expression | None]] = []
    while True:
        match target.head:
            case "∀":
                found += [(binder, None) for binder in target.binders]
                target = target.args[0]
            case "→":
                found.append((Binder("_"), target.args[0]))
                target = target.args[1]
            case "¬":
                found.append((Binder("_"), target.args[0]))
                return found
            case "≠":
                found.append((Binder("_"), Expression("=", target.args)))
                return found
            case _:
                return found


def _intro(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    binders = introducible(goal.target)
    if not binders:
        return
    names = _names(goal, [binder for binder, _ in binders])
    negation_only = goal.target.head in ("¬", "≠")
    yield f"intro {' '.join(names)}", 3.0 if negation_only else 8.0
    # Stopping early keeps the rest general, which an induction on the last name may need.
    for count in range(1, len(names)):
        just_before_premise = binders[count][1] is not None and binders[count - 1][1] is None
        yield f"intro {' '.join(names[:count])}", 2.0 if just_before_premise else 1.0


def _intro_pattern(goal: PrintedGoal) -> Iterator[tuple[str, float]]:
    binders = introducible(goal.target)
    names = _names(goal, [binder for binder, _ in binders])
    patterns = [
        destructuring_pattern(premise, name, goal) if premise is not None else name
        for (_, premise), name in zip(binders, names, strict=True)
    ]
    if patterns != names:
        yield f"rintro {' '.join(patterns)}", 3.0


def _names(goal: PrintedGoal, binders: list[Binder]) -> list[str]:
    names: list[str] = []
    for binder in binders:
        anonymous = binder.name.startswith("_") or "✝" in binder.name
        instance = anonymous and binder.is_implicit
        wanted = "inst" if instance else "h" if anonymous else binder.name
        names.append(goal.fresh(wanted, frozenset(names)))
    return names


RULES: Final = (Rule("intro", _intro), Rule("rintro", _intro_pattern))


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


EXTENSIONAL: Final = (
    Rule("funext", _funext),
    Rule("ext", _ext),
    Rule("congr", _congruence),
    Rule("symm", _symmetry),
)
