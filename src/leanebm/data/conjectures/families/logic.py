"""Propositional and first-order logic: premises and a conclusion that follows from all of them and not from fewer."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, final

import attrs

from leanebm.data.conjectures.conjecture import Conjecture
from leanebm.data.conjectures.expression import Expression, World, evaluate, exists, forall, implies, local
from leanebm.data.conjectures.families._worlds import is_contingent, is_tight, random_models, truth_table

_TRIES: Final = 60
_SEEDS_OF_MORE: Final = range(8, 16)
_SEEDS_OF_MORE_FUNCTIONS: Final = range(8, 48)
"""Of the models that a statement must hold in, too, once it holds in those that it was looked for in. A model has
many readings of each predicate, and one of each function."""

_CONNECTIVES: Final = ("→",) * 5 + ("∧",) * 4 + ("∨",) * 4 + ("¬",) * 2 + ("↔",)


@final
@attrs.frozen
class PropositionalFamily:
    """Formulas of propositional logic, valid by truth table; the flavour says whether they hold intuitionistically."""

    name: str = "propositional"

    def generate(self, rng: random.Random, difficulty: int) -> Conjecture | None:
        """Up to three premises; difficulty adds atoms and connectives."""
        atoms = "pqrst"[: 2 + (difficulty + 1) // 2 + rng.randrange(2)]
        worlds = (truth_table(atoms),)
        for _ in range(_TRIES):
            sizes = [1 + rng.randrange(1 + difficulty) for _ in range(1 + rng.randrange(3))]
            *premises, conclusion = [
                _proposition(rng, size, atoms) for size in [*sizes, 1 + rng.randrange(2 + difficulty)]
            ]
            if all(_is_alive(part, worlds) for part in (*premises, conclusion)) and is_tight(
                premises, conclusion, worlds
            ):
                body = implies(premises, conclusion)
                flavour = "intuitionistic" if holds_intuitionistically(body) else "classical"
                return Conjecture.of(
                    self.name, dict.fromkeys(atoms, "Prop"), body, difficulty=difficulty, flavour=flavour
                )
        return None


def _proposition(rng: random.Random, size: int, atoms: Sequence[str]) -> Expression:
    if size == 0:
        return local(rng.choice(atoms))
    connective = rng.choice(_CONNECTIVES)
    if connective == "¬":
        return Expression("¬", (_proposition(rng, size - 1, atoms),))
    left = rng.randrange(size)
    return Expression(connective, (_proposition(rng, left, atoms), _proposition(rng, size - 1 - left, atoms)))


def _is_alive(formula: Expression, worlds: Sequence[World]) -> bool:
    """Whether no part of it is always true, always false, or joins a formula with itself."""
    return _repeats_nothing(formula) and all(is_contingent(node, worlds) for node in formula.walk() if node.args)


def _repeats_nothing(formula: Expression) -> bool:
    """Whether no connective joins a formula with itself, also across an associative one's own arguments."""

    def parts(node: Expression, head: str) -> list[Expression]:
        return [part for arg in node.args for part in parts(arg, head)] if node.head == head else [node]

    return all(
        len(set(parts(node, node.head))) == len(parts(node, node.head))
        for node in formula.walk()
        if node.head in ("∧", "∨", "→", "↔")
    )


def holds_intuitionistically(formula: Expression) -> bool:
    """Decide intuitionistic propositional logic by Dyckhoff's contraction-free calculus.

    Dyckhoff, Contraction-free sequent calculi for intuitionistic logic, 1992, https://doi.org/10.2307/2275431.
    """
    return _provable(frozenset(), _to_core(formula))


_FALSE: Final = local("⊥")


def _to_core(formula: Expression) -> Expression:
    """Without ``¬`` and ``↔``."""
    args = tuple(map(_to_core, formula.args))
    match formula.head:
        case "¬":
            return Expression("→", (args[0], _FALSE))
        case "↔":
            return Expression("∧", (Expression("→", args), Expression("→", args[::-1])))
    return Expression(formula.head, args)


@lru_cache(maxsize=4096)
def _provable(given: frozenset[Expression], goal: Expression) -> bool:
    if goal in given or _FALSE in given:
        return True
    if goal.head == "∧":
        return all(_provable(given, part) for part in goal.args)
    if goal.head == "→":
        return _provable(given | {goal.args[0]}, goal.args[1])
    for fact in sorted(given, key=str):
        if (branches := _invert(fact, given)) is not None:
            return all(_provable((given - {fact}) | set(branch), goal) for branch in branches)
    if goal.head == "∨" and any(_provable(given, part) for part in goal.args):
        return True
    return any(
        _provable((given - {fact}) | {Expression("→", (fact.args[0].args[1], fact.args[1]))}, fact.args[0])
        and _provable((given - {fact}) | {fact.args[1]}, goal)
        for fact in given
        if fact.head == "→" and fact.args[0].head == "→"
    )


def _invert(fact: Expression, given: frozenset[Expression]) -> list[list[Expression]] | None:
    """What a fact may be replaced by without loss: alternatives of several facts each."""
    match fact:
        case Expression(head="∧", args=args):
            return [list(args)]
        case Expression(head="∨", args=args):
            return [[arg] for arg in args]
        case Expression(head="→", args=(premise, conclusion)):
            match premise:
                case Expression(head="∧", args=(a, b)):
                    return [[Expression("→", (a, Expression("→", (b, conclusion))))]]
                case Expression(head="∨", args=(a, b)):
                    return [[Expression("→", (a, conclusion)), Expression("→", (b, conclusion))]]
                case _ if premise in given:
                    return [[conclusion]]
    return None


@final
@attrs.frozen
class FirstOrderFamily:
    """Formulas of first-order logic, true in thousands of random small models, which is not to say in all."""

    name: str
    params: Mapping[str, str]
    max_premises: int = 3

    def generate(self, rng: random.Random, difficulty: int) -> Conjecture | None:
        """Up to :attr:`max_premises` premises; difficulty adds connectives and quantifiers."""
        params = tuple(self.params.items())
        worlds = _cached_models(params, rng.randrange(8))
        more_seeds = _SEEDS_OF_MORE_FUNCTIONS if "α → α" in self.params.values() else _SEEDS_OF_MORE
        more_worlds = [world for seed in more_seeds for world in _cached_models(params, seed)]
        for _ in range(_TRIES):
            premises = [self._formula(rng, difficulty) for _ in range(1 + rng.randrange(self.max_premises))]
            conclusion = self._formula(rng, difficulty)
            if not all(map(_repeats_nothing, (*premises, conclusion))):
                continue
            given = self._needed(premises, conclusion, worlds)
            if not given or conclusion in given or not self._follows(given, conclusion, more_worlds):
                continue
            if self._can_hold(given, worlds) and all(
                is_contingent(part, self._fitting(part, worlds)) for part in (*given, conclusion)
            ):
                return Conjecture.of(self.name, self.params, implies(given, conclusion), difficulty=difficulty)
        return None

    def _needed(self, given: list[Expression], conclusion: Expression, worlds: Sequence[World]) -> list[Expression]:
        """Those that it takes, dropping one after the other; none if the conclusion does not follow from all."""
        if not self._follows(given, conclusion, worlds):
            return []
        for premise in list(reversed(given)):
            fewer = [other for other in given if other is not premise]
            if self._follows(fewer, conclusion, worlds):
                given = fewer
        return given

    def _follows(self, given: Sequence[Expression], conclusion: Expression, worlds: Iterable[World]) -> bool:
        body = implies(given, conclusion)
        return all(evaluate(body, world) == world.full for world in self._fitting(body, worlds))

    def _fitting(self, body: Expression, worlds: Iterable[World]) -> list[World]:
        """The worlds that have every element that is named. A type may be empty in Lean, so others count, too."""
        named = {node.head for node in body.walk() if self.params.get(node.head) == "α"}
        return [world for world in worlds if named <= world.values.keys()]

    def _can_hold(self, given: Sequence[Expression], worlds: Iterable[World]) -> bool:
        """Whether all premises hold in some world that has elements."""
        together = implies(given, Expression("False"))
        fitting = self._fitting(together, worlds)
        return any(evaluate(together, world) != world.full for world in fitting if world.domains["α"])

    def _formula(self, rng: random.Random, difficulty: int) -> Expression:
        size = 1 + rng.randrange(1 + difficulty)
        return _Grammar(rng, self.params).formula(size, ())


@lru_cache(maxsize=128)
def _cached_models(params: tuple[tuple[str, str], ...], seed: int) -> tuple[World, ...]:
    return random_models(dict(params), seed=seed)


@final
class _Grammar:
    """Draws formulas over the parameters of one family."""

    def __init__(self, rng: random.Random, params: Mapping[str, str]) -> None:
        self._rng = rng
        self._of_type: dict[str, list[str]] = {}
        for name, type_ in params.items():
            self._of_type.setdefault(type_, []).append(name)

    def formula(self, size: int, bound: tuple[str, ...]) -> Expression:
        """With about ``size`` connectives and quantifiers, about the elements in sight."""
        rng = self._rng
        bound_or_named = (*bound, *self._of_type.get("α", []))
        if not bound_or_named or (len(bound) < 3 and rng.randrange(3 if bound else 2) == 0):
            name = "xyz"[len(bound)]
            quantify = forall if rng.randrange(5) < 3 else exists
            return quantify(name, "α", self._about(name, max(size - 1, 0), (*bound, name)))
        if size == 0:
            return self._atom(bound)
        connective = rng.choice(_CONNECTIVES)
        if connective == "¬":
            return Expression("¬", (self.formula(size - 1, bound),))
        left = rng.randrange(size)
        return Expression(connective, (self.formula(left, bound), self.formula(size - 1 - left, bound)))

    def _about(self, name: str, size: int, bound: tuple[str, ...]) -> Expression:
        while True:
            body = self.formula(size, bound)
            if any(node.head == name for node in body.walk()):
                return body

    def _atom(self, bound: tuple[str, ...]) -> Expression:
        choices = [type_ for type_ in ("α → Prop", "α → α → Prop", "Prop") if type_ in self._of_type]
        type_ = self._rng.choice([*choices[:2], *choices])  # a bare proposition is rarer
        arguments = {"Prop": 0, "α → Prop": 1, "α → α → Prop": 2}[type_]
        return local(self._rng.choice(self._of_type[type_]), *(self._term(bound) for _ in range(arguments)))

    def _term(self, bound: tuple[str, ...]) -> Expression:
        term = local(self._rng.choice((*bound, *self._of_type.get("α", []))))
        functions = self._of_type.get("α → α", [])
        for _ in range(2):
            if functions and self._rng.randrange(5) < 2:
                term = local(self._rng.choice(functions), term)
        return term
