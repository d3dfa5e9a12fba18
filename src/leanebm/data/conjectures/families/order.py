"""Relations with the laws of an order, and functions that keep it: a path from one element to another."""

from __future__ import annotations

import random
from functools import partial, reduce
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
    return reduce(lambda term, function: local(function, term), reversed(functions), local(element))


def _for_all(names: str, law: Expression) -> Expression:
    return reduce(lambda body, name: forall(name, "α", body), reversed(names), law)


_related: Final = partial(local, "R")

_X, _Y, _Z = (local(name) for name in "xyz")


def _monotone(function: str) -> Expression:
    return _for_all("xy", implies([_related(_X, _Y)], _related(local(function, _X), local(function, _Y))))


_TRANSITIVE: Final = _for_all("xyz", implies([_related(_X, _Y), _related(_Y, _Z)], _related(_X, _Z)))
