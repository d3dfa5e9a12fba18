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
            *premises, conclusion = [_proposition(rng, size, atoms) for size in [*sizes, 1 + rng.randrange(2 + difficulty)]]
            if all(_is_alive(part, worlds) for part in (*premises, conclusion)) and is_tight(premises, conclusion, worlds):
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
    return all(
        is_contingent(node, worlds) and len(set(node.args)) == len(node.args) for node in formula.walk() if node.args
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
    axioms: tuple[Expression, ...] = ()
    """Premises of every statement; those that it does not need are left out."""

    max_premises: int = 3
    has_quantifiers: bool = True
    """Whether premises and conclusion quantify; without, they are about ``α``'s named elements."""

    def generate(self, rng: random.Random, difficulty: int) -> Conjecture | None:
        """Up to :attr:`max_premises` premises beside the axioms; difficulty adds connectives and quantifiers."""
        worlds, more_worlds = (_cached_models(tuple(self.params.items()), seed) for seed in (rng.randrange(8), 8))
        for _ in range(_TRIES):
            premises = [self._formula(rng, difficulty) for _ in range(1 + rng.randrange(self.max_premises))]
            conclusion = self._formula(rng, difficulty)
            given = self._needed([*self.axioms, *premises], conclusion, worlds)
            if not given or conclusion in given or not self._follows(given, conclusion, more_worlds):
                continue
            if set(self.axioms[:1]) <= set(given) and all(
                is_contingent(self._closed(part), worlds) for part in (*given, conclusion)
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
        body = self._closed(implies(given, conclusion))
        return all(evaluate(body, world) == world.full for world in worlds)

    def _closed(self, body: Expression) -> Expression:
        for name, type_ in self.params.items():
            if type_ == "α" and any(node.head == name for node in body.walk()):
                body = forall(name, type_, body)
        return body

    def _formula(self, rng: random.Random, difficulty: int) -> Expression:
        size = 1 + rng.randrange(1 + difficulty)
        return _Grammar(rng, self.params, self.has_quantifiers).formula(size, ())


@lru_cache(maxsize=64)
def _cached_models(params: tuple[tuple[str, str], ...], seed: int) -> tuple[World, ...]:
    return random_models(dict(params), seed=seed)


@final
class _Grammar:
    """Draws formulas over the parameters of one family."""

    def __init__(self, rng: random.Random, params: Mapping[str, str], has_quantifiers: bool) -> None:
        self._rng = rng
        self._of_type: dict[str, list[str]] = {}
        for name, type_ in params.items():
            self._of_type.setdefault(type_, []).append(name)
        self._has_quantifiers = has_quantifiers

    def formula(self, size: int, bound: tuple[str, ...]) -> Expression:
        """With about ``size`` connectives and quantifiers, about the elements in sight."""
        rng = self._rng
        must_bind = self._has_quantifiers and not bound and "α" not in self._of_type
        if self._has_quantifiers and len(bound) < 3 and (rng.randrange(3) == 0 or must_bind):
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
        term = local(self._rng.choice([*bound, *self._of_type.get("α", [])]))
        functions = self._of_type.get("α → α", [])
        while functions and self._rng.randrange(5) < 2:
            term = local(self._rng.choice(functions), term)
        return term
