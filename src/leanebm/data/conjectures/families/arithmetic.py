"""Divisibility and order of natural numbers: what follows from relations between variables."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Final, final

import attrs

from leanebm.data.conjectures.conjecture import Conjecture
from leanebm.data.conjectures.expression import Expression, World, evaluate, implies
from leanebm.data.conjectures.families._worlds import is_tight
from leanebm.data.conjectures.families.equations import Signature, Terms, is_plain

_TRIES: Final = 80
_VARIABLES: Final = "abcd"


@final
@attrs.frozen
class ArithmeticFamily:
    """Premises ``s ∼ t`` and a conclusion of the same form that follows, on every input tried."""

    name: str
    relations: tuple[str, ...]
    operators: tuple[Signature, ...]

    def generate(self, rng: random.Random, difficulty: int) -> Conjecture | None:
        """Up to three premises about terms of size one; difficulty makes the conclusion larger."""
        params = dict.fromkeys(_VARIABLES[: 2 + rng.randrange(3)], "Nat")
        few, many = (_worlds(rng, list(params), number, largest) for number, largest in ((60, 4), (1500, 9)))
        terms = Terms(rng, params.items(), self.operators)
        for _ in range(_TRIES):
            premises = [self._relation(rng, terms, 0, rng.randrange(2)) for _ in range(1 + rng.randrange(3))]
            conclusion = self._relation(rng, terms, rng.randrange(1 + difficulty), 1 + rng.randrange(1 + difficulty))
            if len(set(premises)) < len(premises) or not all(map(_is_worthy, (*premises, conclusion))):
                continue
            if is_tight(premises, conclusion, few) and is_tight(premises, conclusion, many):
                body = implies(premises, conclusion)
                if all(evaluate(body, world) for world in _larger_worlds(tuple(params))):
                    return Conjecture.of(self.name, params, body, difficulty=difficulty)
        return None

    def _relation(self, rng: random.Random, terms: Terms, left: int, right: int) -> Expression:
        return Expression(rng.choice(self.relations), (terms.term("Nat", left), terms.term("Nat", right)))


def _is_worthy(formula: Expression) -> bool:
    """Whether a person would write it: without ``0``, which makes relations trivial, and ``a`` once if ``a ∼ a``."""
    sides = formula.args
    return sides[0] != sides[1] and all(is_plain(node) and node.head != "0" for node in formula.walk())


@lru_cache
def _larger_worlds(names: tuple[str, ...]) -> tuple[World, ...]:
    """What a statement must hold on at last: ``9 ∣ 3 * 3``, say, shows what no smaller numbers do."""
    return _worlds(random.Random("larger"), list(names), 4000, 30)  # noqa: S311 - mathematics, not secrets


def _worlds(rng: random.Random, names: list[str], number: int, largest: int) -> tuple[World, ...]:
    """Inputs in which many variables are multiples of earlier ones, or equal to them."""

    def value(earlier: list[int]) -> int:
        return rng.choice(earlier) * rng.randrange(3) if earlier and rng.randrange(2) else rng.randrange(largest)

    worlds = []
    for _ in range(number):
        values: list[int] = []
        for _ in names:
            values.append(value(values))
        order = sorted(names, key=lambda _: rng.random())
        worlds.append(World(values=dict(zip(order, values, strict=True))))
    return tuple(worlds)
