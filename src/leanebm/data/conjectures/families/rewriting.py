"""Equations that follow from equations given as hypotheses, by a chain of rewriting steps."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, final

import attrs

from leanebm.data.conjectures.conjecture import Conjecture
from leanebm.data.conjectures.expression import Expression, forall, implies, local

_PARAMS: Final = {"m": "α → α → α", "r": "α → α", "f": "α → α", **dict.fromkeys("abce", "α")}
_SIZELESS_PARAMS: Final = {"m": "α → α → α", "f": "α → α", "g": "α → α", **dict.fromkeys("abc", "α")}
_VARIABLES: Final = "xyz"
_LARGEST: Final = 16
"""Nodes that a side may have."""


_m, _r, _f, _g = (partial(local, name) for name in "mrfg")


_Law = tuple[Expression, Expression]


def _laws() -> tuple[_Law, ...]:
    x, y, z, e = (local(name) for name in "xyze")
    return (
        (_m(_m(x, y), z), _m(x, _m(y, z))),
        (_r(_m(x, y)), _m(_r(y), _r(x))),
        (_f(_m(x, y)), _m(_f(x), _f(y))),
        (_f(_r(x)), _r(_f(x))),
        (_m(e, x), x),
        (_m(x, e), x),
        (_r(_r(x)), x),
        (_r(e), e),
        (_f(_f(x)), _f(x)),
        (_f(e), e),
    )


_LAWS: Final = _laws()
"""A monoid ``m``, ``e`` with an involution ``r`` that turns products round, and a projection ``f`` that keeps both;
each law from what it simplifies to what that becomes. Lists with ``++``, ``reverse`` and a ``filter`` are one.
The first four move symbols; only the others make terms shorter, so that size alone does not say what is simpler."""

_MOVING: Final = range(4)
_SHORTENING: Final = range(4, len(_LAWS))


def _sizeless_laws() -> tuple[_Law, ...]:
    x, y, z = (local(name) for name in _VARIABLES)
    return (
        (_m(_m(x, y), z), _m(x, _m(y, z))),
        (_f(_g(x)), _g(_f(x))),
        (_f(_m(x, y)), _m(_f(x), y)),
        (_m(x, _f(y)), _m(_f(x), y)),
        (_g(_m(x, y)), _m(x, _g(y))),
        (_m(_g(x), y), _m(x, _g(y))),
    )


_SIZELESS_LAWS: Final = _sizeless_laws()
"""Both sides of each have the same symbols, in another order, and as many parentheses. Additions of a number to either
end of a sum are a model of all of them."""


@final
@attrs.frozen
class RewritingFamily:
    """Some of the laws of a monoid with two functions, and an equation that they give. True by construction.

    Both sides come from one term by using laws against their direction, so a proof simplifies both until they meet.
    Which side of a law stands on the left is left to chance: neither the text nor a policy says what is simpler.
    """

    name: str = "rewriting"

    def generate(self, rng: random.Random, difficulty: int) -> Conjecture | None:
        """Difficulty makes the chain longer."""
        laws = sorted([*rng.sample(_MOVING, 2), *rng.sample(_SHORTENING, 1)])
        start = _term(rng, rng.randrange(2, 5))
        steps = rng.randrange(1 + difficulty, 2 + 2 * difficulty)
        far = rng.randrange((steps + 1) // 2, steps + 1)
        left = _walk(rng, start, laws, far)
        right = _walk(rng, start, laws, steps - far)
        if left is None or right is None or left == right:
            return None
        if rng.randrange(2):
            left, right = right, left
        body = _equation(rng, [_LAWS[law] for law in laws], left, right)
        return Conjecture.of(self.name, _PARAMS, body, difficulty=difficulty)


@final
@attrs.frozen
class RearrangingFamily:
    """An equation by laws that only move symbols: no term is longer than another. True by construction.

    The right side is simplified as far as the laws go, and a proof simplifies the left one to the same. How long a
    state is says nothing about how far it is from there: all states of a proof are equally long.
    """

    name: str = "rearranging"

    def generate(self, rng: random.Random, difficulty: int) -> Conjecture | None:
        """Difficulty makes the chain longer."""
        laws = _three_laws(rng)
        right = _simplified(_term(rng, rng.randrange(5, 9), "fg"), laws)
        steps = rng.randrange(1 + difficulty, 2 + 2 * difficulty)
        left = _wander(rng, right, steps, [partial(_rewritten, before=after, after=before) for before, after in laws])
        if left is None:
            return None
        body = _equation(rng, laws, left, right)
        return Conjecture.of(self.name, _SIZELESS_PARAMS, body, difficulty=difficulty)


@final
@attrs.frozen
class WordProblemFamily:
    """An equation between two terms that laws turn into one another, neither of them simplified. True by construction.

    The laws are those of :class:`RearrangingFamily`, so no state is longer than another. But each may be used in either
    direction, and no direction is the right one: simplifying both sides to the end is not what leads from one to the
    other in a few steps. Every step of the walk is one that ``rw`` makes of a term: a law, at the first place that it
    fits. In a goal, ``rw`` changes the other side as well, where that holds the same instance.
    """

    name: str = "word_problem"

    def generate(self, rng: random.Random, difficulty: int) -> Conjecture | None:
        """Difficulty makes the walk longer."""
        laws = _three_laws(rng)
        left = _term(rng, rng.randrange(5, 9), "fg")
        steps = rng.randrange(1 + difficulty, 2 + 2 * difficulty)
        right = _wander(rng, left, steps, [partial(_everywhere_once, law=law) for law in laws])
        if right is None:
            return None
        body = _equation(rng, laws, left, right)
        return Conjecture.of(self.name, _SIZELESS_PARAMS, body, difficulty=difficulty)


def _three_laws(rng: random.Random) -> list[_Law]:
    return [_SIZELESS_LAWS[law] for law in sorted(rng.sample(range(len(_SIZELESS_LAWS)), 3))]


def _everywhere_once(term: Expression, law: _Law) -> Iterator[Expression]:
    """What ``rw`` makes of the term by a law, in either direction: of the instance met first, wherever it stands."""
    for before, after in (law, law[::-1]):
        for part in term.walk():
            values: dict[str, Expression] = {}
            if _matches(before, part, values):
                yield _replaced(term, part, after.substitute(values))
                break


def _replaced(term: Expression, old: Expression, new: Expression) -> Expression:
    if term == old:
        return new
    return Expression(term.head, tuple(_replaced(arg, old, new) for arg in term.args))


def _simplified(term: Expression, laws: Sequence[_Law]) -> Expression:
    """By each law in its direction, until none is left that fits; each moves symbols one way, so this ends."""
    while True:
        found = next((new for law in laws for new in _rewritten(term, *law)), None)
        if found is None:
            return term
        term = found


def _wander(
    rng: random.Random, term: Expression, steps: int, ways: Iterable[Callable[[Expression], Iterator[Expression]]]
) -> Expression | None:
    """``term`` after so many steps, through terms that are all different; ``None`` where there is no way on."""
    seen = {term}
    for _ in range(steps):
        found = [new for way in ways for new in way(term) if new not in seen]
        if not found:
            return None
        term = rng.choice(found)
        seen.add(term)
    return term


def _term(rng: random.Random, size: int, functions: str = "rf") -> Expression:
    if size <= 1:
        return local(rng.choice("abc"))
    if rng.randrange(3) == 0:
        return local(rng.choice(functions), _term(rng, size - 1, functions))
    first = rng.randrange(1, size)
    return _m(_term(rng, first, functions), _term(rng, size - first, functions))


def _walk(rng: random.Random, term: Expression, laws: Sequence[int], steps: int) -> Expression | None:
    """``term`` after so many uses of laws, through terms that are all different; ``None`` where there is no way on."""
    seen = {term}
    for _ in range(steps):
        moving_first = rng.randrange(3) > 0
        order = sorted(rng.sample(laws, len(laws)), key=lambda law: (law in _MOVING) != moving_first)
        ways = ([new for new in _one_step(term, law) if new not in seen and new.size <= _LARGEST] for law in order)
        found = next(filter(None, ways), None)
        if found is None:
            return None
        term = rng.choice(found)
        seen.add(term)
    return term


def _one_step(term: Expression, law: int) -> Iterator[Expression]:
    """By a law that moves symbols, in either direction; by one that shortens terms, only against it."""
    left, right = _LAWS[law]
    yield from _rewritten(term, right, left)
    if law in _MOVING:
        yield from _rewritten(term, left, right)


def _rewritten(term: Expression, before: Expression, after: Expression) -> Iterator[Expression]:
    """The term with one of its parts, an instance of ``before``, replaced by that of ``after``."""
    values: dict[str, Expression] = {}
    if _matches(before, term, values):
        yield after.substitute(values)
    for place, arg in enumerate(term.args):
        for new in _rewritten(arg, before, after):
            yield Expression(term.head, (*term.args[:place], new, *term.args[place + 1 :]))


def _matches(pattern: Expression, term: Expression, values: dict[str, Expression]) -> bool:
    if pattern.head in _VARIABLES:
        return values.setdefault(pattern.head, term) == term
    return (
        pattern.head == term.head
        and len(pattern.args) == len(term.args)
        and all(_matches(inside, part, values) for inside, part in zip(pattern.args, term.args, strict=True))
    )


def _equation(rng: random.Random, laws: Iterable[_Law], left: Expression, right: Expression) -> Expression:
    """``left = right``, given the laws."""
    return implies([_stated(rng, *law) for law in laws], Expression("=", (left, right)))


def _stated(rng: random.Random, left: Expression, right: Expression) -> Expression:
    law = Expression("=", (left, right) if rng.randrange(2) else (right, left))
    for variable in reversed(_VARIABLES):
        if any(node.head == variable for node in law.walk()):
            law = forall(variable, "α", law)
    return law
