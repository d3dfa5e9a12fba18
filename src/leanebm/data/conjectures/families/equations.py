"""Equations found by trying: of many random terms, two that have the same value on every input."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, Final, final

import attrs

from leanebm.data.conjectures.conjecture import Conjecture
from leanebm.data.conjectures.expression import Expression, World, evaluate, forall, implies, local

Signature = tuple[str, tuple[str, ...], str]
"""An operator or a local function, the types of its arguments, and its value's type."""

_TERMS: Final = 150
_FEW_INPUTS: Final = 16
_MANY_INPUTS: Final = 600

NAT: Final[tuple[Signature, ...]] = (
    ("+", ("Nat", "Nat"), "Nat"),
    ("*", ("Nat", "Nat"), "Nat"),
    ("-", ("Nat", "Nat"), "Nat"),
    ("min", ("Nat", "Nat"), "Nat"),
    ("max", ("Nat", "Nat"), "Nat"),
)
INT: Final[tuple[Signature, ...]] = (
    ("+", ("Int", "Int"), "Int"),
    ("*", ("Int", "Int"), "Int"),
    ("int-", ("Int", "Int"), "Int"),
    ("neg", ("Int",), "Int"),
    ("min", ("Int", "Int"), "Int"),
    ("max", ("Int", "Int"), "Int"),
)
BOOL: Final[tuple[Signature, ...]] = (
    ("not", ("Bool",), "Bool"),
    ("&&", ("Bool", "Bool"), "Bool"),
    ("||", ("Bool", "Bool"), "Bool"),
    ("xor", ("Bool", "Bool"), "Bool"),
    ("f", ("Bool",), "Bool"),
    ("f", ("Bool",), "Bool"),
    ("g", ("Bool",), "Bool"),
)
OPTION: Final[tuple[Signature, ...]] = (
    ("some", ("Nat",), "Option Nat"),
    ("option_or", ("Option Nat", "Option Nat"), "Option Nat"),
    ("option_map", ("Option Nat", "Nat → Nat"), "Option Nat"),
    ("option_bind", ("Option Nat", "Nat → Option Nat"), "Option Nat"),
    ("option_filter", ("Option Nat", "Nat → Bool"), "Option Nat"),
    ("get_or", ("Option Nat", "Nat"), "Nat"),
    ("f", ("Nat",), "Nat"),
    ("φ", ("Nat",), "Option Nat"),
)
LIST: Final[tuple[Signature, ...]] = (
    ("[]", (), "List Nat"),
    ("::", ("Nat", "List Nat"), "List Nat"),
    ("++", ("List Nat", "List Nat"), "List Nat"),
    ("++", ("List Nat", "List Nat"), "List Nat"),
    ("reverse", ("List Nat",), "List Nat"),
    ("map", ("List Nat", "Nat → Nat"), "List Nat"),
    ("filter", ("List Nat", "Nat → Bool"), "List Nat"),
    ("filterMap", ("List Nat", "Nat → Option Nat"), "List Nat"),
    ("take", ("List Nat", "Nat"), "List Nat"),
    ("drop", ("List Nat", "Nat"), "List Nat"),
    ("tail", ("List Nat",), "List Nat"),
    ("length", ("List Nat",), "Nat"),
    ("sum", ("List Nat",), "Nat"),
    ("count", ("List Nat", "Nat"), "Nat"),
    ("+", ("Nat", "Nat"), "Nat"),
    ("-", ("Nat", "Nat"), "Nat"),
    ("f", ("Nat",), "Nat"),
)


@final
@attrs.frozen
class EquationFamily:
    """``∀ inputs, left = right`` where both sides are built from a few operators."""

    name: str
    params: Mapping[str, str]
    operators: tuple[Signature, ...]
    results: tuple[str, ...]
    """The types that sides may have; drawn with equal chance."""

    about: frozenset[str] = frozenset()
    """If not empty, one of these must occur."""

    def generate(self, rng: random.Random, difficulty: int) -> Conjecture | None:
        """Difficulty makes the sides larger."""
        inputs = [_input(rng, self.params) for _ in range(_MANY_INPUTS)]
        terms = Terms(rng, self.params.items(), self.operators)
        equation = find_equation(rng, terms, rng.choice(self.results), 2 + 2 * difficulty, inputs, about=self.about)
        return None if equation is None else Conjecture.of(self.name, self.params, equation, difficulty=difficulty)


@final
class Terms:
    """Draws terms over variables and operators."""

    def __init__(self, rng: random.Random, leaves: Iterable[tuple[str, str]], operators: Sequence[Signature]) -> None:
        self._rng = rng
        self._operators: dict[str, list[Signature]] = {}
        for operator in operators:
            self._operators.setdefault(operator[2], []).append(operator)
        self._leaves: dict[str, list[str]] = {}
        for name, type_ in leaves:
            self._leaves.setdefault(type_, []).append(name)

    def term(self, type_: str, size: int) -> Expression:
        """With at most about ``size`` operators. A type must have a leaf: a variable, or a numeral for ``Nat``."""
        rng = self._rng
        operators = self._operators.get(type_, [])
        if size <= 0 or not operators or rng.randrange(6) < (4 if type_ == "argument" else 1):
            leaves = self._leaves.get(type_, [])
            if not leaves or (type_ in ("Nat", "Int") and rng.randrange(5) == 0):
                return Expression("[]") if type_.startswith("List") else Expression(str(rng.randrange(3)))
            return local(rng.choice(leaves))
        head, arguments, _ = rng.choice(operators)
        heavy = rng.randrange(max(1, len(arguments)))
        rest = size - 1
        sizes = [rest if place == heavy else rng.randrange(1 + rest // 2) for place in range(len(arguments))]
        return Expression(head, tuple(self.term(type_, left) for type_, left in zip(arguments, sizes, strict=True)))


def find_equation(
    rng: random.Random,
    terms: Terms,
    type_: str,
    size: int,
    inputs: Sequence[World],
    *,
    about: frozenset[str] = frozenset(),
) -> Expression | None:
    """An equation between two of many random terms that agree on all inputs, or ``None`` if no two do.

    It is not an equation inside another one: the sides do not agree because they are built alike of parts
    that agree. If ``about`` is not empty, one of its names must occur.
    """
    found: dict[tuple[Any, ...], list[Expression]] = {}
    for _ in range(_TERMS):
        term = terms.term(type_, rng.randrange(1, size + 1))
        if not all(map(is_plain, term.walk())):
            continue
        values = tuple(evaluate(term, world) for world in inputs[:_FEW_INPUTS])
        alike = found.setdefault(values, [])
        if term not in alike:
            alike.append(term)
    pairs = [pair for alike in found.values() for pair in combinations(sorted(alike, key=_weight, reverse=True), 2)]
    rng.shuffle(pairs)
    for left, right in pairs[:20]:
        heads = {node.head for side in (left, right) for node in side.walk()}
        if left.size < 3 or (about and not about & heads) or _is_congruence(left, right, inputs):
            continue
        if all(evaluate(left, world) == evaluate(right, world) for world in inputs) and not _is_constant(left, inputs):
            return Expression("=", (left, right))
    return None


_IDEMPOTENT: Final = frozenset({"min", "max", "-", "int-", "&&", "||", "xor", "option_or"})
_WITH_NEUTRAL: Final = frozenset({"+", "-", "int-", "*", "min", "max"})


def is_plain(node: Expression) -> bool:
    """Whether nobody would write the operation shorter at sight, as ``0 + n`` or ``min n n``."""
    if node.head in _WITH_NEUTRAL and Expression("0") in node.args:
        return False
    if (node.head == "*" and Expression("1") in node.args) or (node.head != "::" and Expression("[]") in node.args):
        return False
    return not (node.head in _IDEMPOTENT and node.args[0] == node.args[1])


def _weight(term: Expression) -> tuple[int, str]:
    return term.size, str(term)


def _is_congruence(left: Expression, right: Expression, inputs: Sequence[World]) -> bool:
    return left.head == right.head and all(
        a == b or all(_agree(evaluate(a, world), evaluate(b, world)) for world in inputs)
        for a, b in zip(left.args, right.args, strict=True)
    )


def _agree(a: Any, b: Any) -> bool:
    return not callable(a) and not callable(b) and bool(a == b)


def _is_constant(term: Expression, inputs: Sequence[World]) -> bool:
    return len({evaluate(term, world) for world in inputs}) == 1


def _input(rng: random.Random, params: Mapping[str, str]) -> World:
    return World(values={name: random_value(rng, type_) for name, type_ in params.items()})


def random_value(rng: random.Random, type_: str) -> Any:
    """A small value of a Lean type, as :data:`~leanebm.data.conjectures.expression.OPERATORS` takes it."""
    return _VALUES[type_](rng)


def _function(result: str) -> Callable[[random.Random], Callable[[Any], Any]]:
    def draw(rng: random.Random) -> Callable[[Any], Any]:
        table = [random_value(rng, result) for _ in range(8)]
        return lambda x: table[(sum(3 * y + 1 for y in x) if isinstance(x, tuple) else int(x)) % 8]

    return draw


_VALUES: Final[Mapping[str, Callable[[random.Random], Any]]] = {
    "Nat": lambda rng: rng.randrange(rng.choice((2, 4, 12))),
    "Int": lambda rng: rng.choice((-1, 1)) * rng.randrange(rng.choice((2, 4, 12))),
    "Bool": lambda rng: rng.randrange(2) == 1,
    "Option Nat": lambda rng: () if rng.randrange(3) == 0 else (rng.randrange(6),),
    "List Nat": lambda rng: tuple(
        rng.randrange(rng.choice((2, 4))) for _ in range(rng.randrange(rng.choice((2, 5, 14))))
    ),
    "Nat → Nat": _function("Nat"),
    "List Nat → Nat": _function("Nat"),
    "Nat → Bool": _function("Bool"),
    "Bool → Bool": _function("Bool"),
    "Nat → Option Nat": _function("Option Nat"),
}


_ARGUMENTS: Final[Mapping[str, tuple[Signature, ...]]] = {
    "Nat": (("+", ("argument", "argument"), "argument"),),
    "List Nat": (
        ("++", ("argument", "argument"), "argument"),
        ("reverse", ("argument",), "argument"),
        ("::", ("Nat", "argument"), "argument"),
        ("length", ("argument",), "Nat"),
        ("sum", ("argument",), "Nat"),
    ),
}
"""What arguments of a recursive function are made of: not of its values, which may be large."""


@final
@attrs.frozen
class RecursionFamily:
    """Functions given by recursive equations as hypotheses, and an equation between terms with them."""

    name: str
    over: str
    """What the recursion is over: ``Nat`` or ``List Nat``."""

    def generate(self, rng: random.Random, difficulty: int) -> Conjecture | None:
        """Difficulty makes the recursive equations and the sides larger."""
        functions = {"f": _Recursion.draw(rng, self.over, difficulty)}
        if rng.randrange(3):
            functions["g"] = (
                functions["f"].varied(rng) if rng.randrange(2) else _Recursion.draw(rng, self.over, difficulty)
            )
        variables = {"n": "Nat", "m": "Nat"} if self.over == "Nat" else {"xs": "List Nat", "ys": "List Nat", "n": "Nat"}
        applied: list[Signature] = [(name, ("argument",), "Nat") for name in functions]
        arguments = [(name, "argument") for name, type_ in variables.items() if type_ == self.over]  # not f (f n)
        terms = Terms(rng, [*variables.items(), *arguments], (*applied, *applied, *_ARGUMENTS[self.over], *NAT[:2]))
        inputs = [
            World(
                values={**_input(rng, variables).values, **{name: spec.function() for name, spec in functions.items()}}
            )
            for _ in range(_MANY_INPUTS // 2)
        ]
        equation = find_equation(rng, terms, "Nat", 1 + difficulty, inputs, about=frozenset(functions))
        if equation is None or self._holds_for_all_functions(rng, equation, variables, functions):
            return None
        used = {node.head for node in equation.walk()}
        premises = [law for name, spec in functions.items() if name in used for law in spec.laws(name)]
        for name, type_ in reversed(variables.items()):
            if name in used:
                equation = forall(name, type_, equation)
        params = dict.fromkeys(functions, f"{self.over} → Nat")
        return Conjecture.of(self.name, params, implies(premises, equation), difficulty=difficulty)

    def _holds_for_all_functions(
        self, rng: random.Random, equation: Expression, variables: Mapping[str, str], names: Iterable[str]
    ) -> bool:
        params = {**variables, **dict.fromkeys(names, f"{self.over} → Nat")}
        return all(evaluate(equation, _input(rng, params)) for _ in range(_FEW_INPUTS))


_BEFORE: Final = local("r")
"""In a recursive equation, the function's value one step earlier."""


@final
@attrs.frozen
class _Recursion:
    """``f 0 = start`` and ``f (n + 1) = step``, or the same over a list."""

    over: str
    start: Expression
    step: Expression

    @classmethod
    def draw(cls, rng: random.Random, over: str, difficulty: int) -> _Recursion:
        element = "k" if over == "Nat" else "x"
        terms = Terms(rng, [(element, "Nat")], NAT[:2])
        step = _BEFORE
        for _ in range(1 + rng.randrange(1 + difficulty // 2)):
            other = terms.term("Nat", rng.randrange(2))
            operator = rng.choice(("+", "+", "*"))
            longer = Expression(operator, (other, step) if rng.randrange(2) else (step, other))
            step = longer if all(map(is_plain, longer.walk())) else step
        return cls(over, Expression(str(rng.randrange(3))), step)

    def varied(self, rng: random.Random) -> _Recursion:
        """Perhaps the same function, by another equation: operands of a sum or product change places."""

        def vary(node: Expression) -> Expression:
            args = tuple(map(vary, node.args))
            return Expression(node.head, args[::-1] if rng.randrange(2) else args)

        return _Recursion(self.over, self.start, vary(self.step))

    def function(self) -> Callable[[Any], int]:
        @functools.cache
        def call(argument: Any) -> int:
            elements = range(argument) if self.over == "Nat" else argument[::-1]
            value: int = evaluate(self.start, World(values={}))
            for element in elements:
                value = evaluate(self.step, World(values={"k": element, "x": element, "r": value}))
            return value

        return call

    def laws(self, name: str) -> tuple[Expression, Expression]:
        """The two equations, about the function ``name``."""
        if self.over == "Nat":
            zero, before, after = Expression("0"), local("k"), Expression("+", (local("k"), Expression("1")))
            variables = [("k", "Nat")]
        else:
            zero, before, after = Expression("[]"), local("l"), Expression("::", (local("x"), local("l")))
            variables = [("x", "Nat"), ("l", "List Nat")]
        law = Expression("=", (local(name, after), self.step.substitute({_BEFORE.head: local(name, before)})))
        for variable, type_ in reversed(variables):
            law = forall(variable, type_, law)
        return Expression("=", (local(name, zero), self.start)), law
