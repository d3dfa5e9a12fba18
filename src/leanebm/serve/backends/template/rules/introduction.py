"""Moving what the target assumes into the context, under names that tactics can write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from leanebm.serve.backends.template.expression import Binder, Expression
from leanebm.serve.backends.template.goal import PrintedGoal
from leanebm.serve.backends.template.rules.base import Rule
from leanebm.serve.backends.template.rules.patterns import destructuring_pattern

__all__ = ["RULES"]


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
