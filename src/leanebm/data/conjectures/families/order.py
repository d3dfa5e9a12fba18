"""Relations with the laws of an order, and functions that keep it: a path from one element to another."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Final, final

import attrs

from leanebm.data.conjectures.conjecture import Conjecture
from leanebm.data.conjectures.expression import Expression, forall, implies, local

_ELEMENTS: Final = "abcdeijkl"


@final
@attrs.frozen
class OrderFamily:
    """``R`` is transitive, functions keep it, some elements are related, and so others are. True by construction."""

    name: str = "order"

    def generate(self, rng: random.Random, difficulty: int) -> Conjecture | None:
        """Difficulty makes the path longer and applies more functions along it."""
        functions = "fg"[: rng.randrange(3)]
        steps = 1 + rng.randrange(1 + difficulty) + (not functions)
        around = [rng.choice(functions) for _ in range(rng.randrange(2 + difficulty // 2))] if functions else []
        facts: list[Expression] = []
        for here, there in pairwise(_ELEMENTS[: steps + 1]):
            inside = around[rng.randrange(len(around) + 1) :] if around else []
            facts += self._fact(rng, _wrapped(inside, here), _wrapped(inside, there), facts)
        conclusion = _related(_wrapped(around, _ELEMENTS[0]), _wrapped(around, _ELEMENTS[steps]))
        if conclusion in facts:
            return None
        used = {node.head for formula in (*facts, conclusion) for node in formula.walk()}
        laws = [_monotone(function) for function in functions if function in used]
        laws += [_TRANSITIVE] if steps > 1 else []
        given = [*laws, *facts]
        rng.shuffle(given)
        params = {"R": "α → α → Prop", **dict.fromkeys("fg", "α → α"), **dict.fromkeys(_ELEMENTS, "α"), "p": "Prop"}
        return Conjecture.of(self.name, params, implies(given, conclusion), difficulty=difficulty)

    def _fact(
        self, rng: random.Random, here: Expression, there: Expression, facts: list[Expression]
    ) -> list[Expression]:
        """``R here there``, or what gives it: by cases, by a detour, under an existing fact."""
        fact = _related(here, there)
        match rng.randrange(6):
            case 0:
                return [Expression("∨", (fact, _related(there, here))), implies([_related(there, here)], fact)]
            case 1 if facts:
                return [implies([rng.choice(facts)], fact)]
            case 2 | 3 | 4:
                middle = forall("x", "α", implies([_related(here, local("x"))], _related(local("x"), there)))
                return [middle, Expression("∃", (_related(here, local("x")),), ("x", "α"))]
        return [fact]


def _wrapped(functions: list[str], element: str) -> Expression:
    term = local(element)
    for function in reversed(functions):
        term = local(function, term)
    return term


def _related(a: Expression, b: Expression) -> Expression:
    return local("R", a, b)


def _monotone(function: str) -> Expression:
    x, y = local("x"), local("y")
    law = implies([_related(x, y)], _related(local(function, x), local(function, y)))
    return forall("x", "α", forall("y", "α", law))


_TRANSITIVE: Final = forall(
    "x",
    "α",
    forall(
        "y",
        "α",
        forall(
            "z",
            "α",
            implies(
                [_related(local("x"), local("y")), _related(local("y"), local("z"))],
                _related(local("x"), local("z")),
            ),
        ),
    ),
)
