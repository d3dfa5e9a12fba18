"""Statements as trees, with one printer and one evaluator for every family of conjectures."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import attrs

from leanebm._shown import fitting_repr

_ATOMIC: Final = 1024
_QUANTIFIER_LEVEL: Final = 0


@attrs.frozen
class Expression:
    """A term or a proposition.

    ``head`` is a key of :data:`OPERATORS`, a numeral, or the name of a variable, which may be applied. With a
    ``binder``, ``head`` is ``∀`` or ``∃`` and the only argument is the body.
    """

    head: str
    args: tuple[Expression, ...] = ()
    binder: tuple[str, str] | None = None
    """The name and the type of the variable that a quantifier binds."""

    __repr__ = fitting_repr

    @property
    def is_local(self) -> bool:
        """Whether the head is the name of a variable."""
        return self.binder is None and self.head not in OPERATORS and not self.head.isdigit()

    @property
    def size(self) -> int:
        """How many nodes the tree has."""
        return 1 + sum(arg.size for arg in self.args)

    def walk(self) -> Iterator[Expression]:
        """Every node, this one first, in the order in which they are printed."""
        yield self
        for arg in self.args:
            yield from arg.walk()

    def replace_heads(self, new: Mapping[str, str]) -> Expression:
        """Rename variables, bound ones included; numerals count as names here."""
        binder = None if self.binder is None else (new.get(self.binder[0], self.binder[0]), self.binder[1])
        head = self.head if self.binder or self.head in OPERATORS else new.get(self.head, self.head)
        return Expression(head, tuple(arg.replace_heads(new) for arg in self.args), binder)

    def substitute(self, values: Mapping[str, Expression]) -> Expression:
        """Put terms in the place of variables that are neither applied nor bound."""
        if self.head in values:
            return values[self.head]
        return Expression(self.head, tuple(arg.substitute(values) for arg in self.args), self.binder)

    def __str__(self) -> str:
        return _show(self, 0)


@attrs.frozen
class Operator:
    """How an operator is written in Lean, and what it means in Python."""

    template: str
    """With ``{}`` for every argument."""

    level: int
    """How strongly it binds; the argument of a function needs 1024."""

    slots: tuple[int, ...]
    """The level that each argument must have to stand without parentheses."""

    meaning: Callable[..., Any]
    """On values; a connective's is on bit sets of worlds, where bits beyond the last world do not count."""

    kind: Literal["term", "relation", "connective"] = "term"
    """A relation makes a proposition of terms, and a connective one of propositions."""


def _infix(symbol: str, level: int, left: int, right: int, meaning: Callable[..., Any]) -> Operator:
    return Operator(f"{{}} {symbol} {{}}", level, (left, right), meaning)


def _relation(symbol: str, meaning: Callable[..., Any]) -> Operator:
    return Operator(f"{{}} {symbol} {{}}", 50, (51, 51), meaning, kind="relation")


def _method(name: str, meaning: Callable[..., Any], arguments: int = 0) -> Operator:
    """``xs.name a b``: the first argument stands in front of the dot."""
    level = _ATOMIC if arguments == 0 else _ATOMIC - 1
    return Operator(f"{{}}.{name}{' {}' * arguments}", level, (_ATOMIC,) * (1 + arguments), meaning)


def _connective(symbol: str, level: int, left: int, right: int, meaning: Callable[[int, int], int]) -> Operator:
    return attrs.evolve(_infix(symbol, level, left, right, meaning), kind="connective")


def _divides(a: int, b: int) -> bool:
    return b == 0 if a == 0 else b % a == 0


OPERATORS: Final[Mapping[str, Operator]] = {
    "False": Operator("False", _ATOMIC, (), lambda: False, kind="relation"),
    "¬": Operator("¬{}", 40, (40,), operator.invert, kind="connective"),
    "∧": _connective("∧", 35, 36, 35, operator.and_),
    "∨": _connective("∨", 30, 31, 30, operator.or_),
    "→": _connective("→", 25, 26, 25, lambda a, b: ~a | b),
    "↔": _connective("↔", 20, 21, 21, lambda a, b: ~(a ^ b)),
    "=": _relation("=", lambda a, b: a == b),
    "≤": _relation("≤", lambda a, b: a <= b),
    "<": _relation("<", lambda a, b: a < b),
    "∣": _relation("∣", _divides),
    "+": _infix("+", 65, 65, 66, operator.add),
    "-": _infix("-", 65, 65, 66, lambda a, b: max(a - b, 0)),
    "int-": _infix("-", 65, 65, 66, lambda a, b: a - b),
    "neg": Operator("-{}", 75, (_ATOMIC,), lambda a: -a),
    "*": _infix("*", 70, 70, 71, lambda a, b: a * b),
    "min": Operator("min {} {}", _ATOMIC - 1, (_ATOMIC, _ATOMIC), min),
    "max": Operator("max {} {}", _ATOMIC - 1, (_ATOMIC, _ATOMIC), max),
    "not": Operator("!{}", 39, (_ATOMIC,), lambda a: not a),  # Lean reads `!a = b` as `!(a = b)`
    "&&": _infix("&&", 35, 35, 36, lambda a, b: a and b),
    "||": _infix("||", 30, 30, 31, lambda a, b: a or b),
    "xor": _infix("^^", 33, 33, 34, lambda a, b: a != b),
    "some": Operator("some {}", _ATOMIC - 1, (_ATOMIC,), lambda a: (a,)),
    "option_or": _method("or", lambda a, b: a or b, 1),
    "option_map": _method("map", lambda a, f: tuple(map(f, a)), 1),
    "option_bind": _method("bind", lambda a, f: f(a[0]) if a else (), 1),
    "option_filter": _method("filter", lambda a, p: tuple(filter(p, a)), 1),
    "get_or": _method("getD", lambda a, b: a[0] if a else b, 1),
    "[]": Operator("[]", _ATOMIC, (), lambda: ()),
    "::": _infix("::", 67, 68, 67, lambda a, b: (a, *b)),
    "++": _infix("++", 65, 65, 66, operator.add),
    "reverse": _method("reverse", lambda a: a[::-1]),
    "length": _method("length", len),
    "sum": _method("sum", sum),
    "map": _method("map", lambda a, f: tuple(map(f, a)), 1),
    "filter": _method("filter", lambda a, p: tuple(filter(p, a)), 1),
    "take": _method("take", lambda a, n: a[:n], 1),
    "drop": _method("drop", lambda a, n: a[n:], 1),
    "tail": _method("tail", lambda a: a[1:]),
    "count": _method("count", lambda a, x: a.count(x), 1),
    "filterMap": _method("filterMap", lambda a, f: tuple(y for x in a for y in f(x)), 1),
}
"""By the name that trees use, which for most is Lean's own symbol. Lists and options are tuples of values."""


def local(name: str, *args: Expression) -> Expression:
    """A variable, applied if there are arguments."""
    return Expression(name, args)


def forall(name: str, type_: str, body: Expression) -> Expression:
    """``∀ name : type_, body``."""
    return Expression("∀", (body,), (name, type_))


def exists(name: str, type_: str, body: Expression) -> Expression:
    """``∃ name : type_, body``."""
    return Expression("∃", (body,), (name, type_))


def implies(premises: Sequence[Expression], conclusion: Expression) -> Expression:
    """``A → B → … → conclusion``."""
    for premise in reversed(premises):
        conclusion = Expression("→", (premise, conclusion))
    return conclusion


@attrs.frozen(kw_only=True)
class World:
    """What variables stand for. A proposition's truth is a bit set: many worlds that differ in predicates are one."""

    values: Mapping[str, Any]
    """A value for every free variable; a function or predicate is a Python function."""

    domains: Mapping[str, Sequence[Any]] = attrs.field(factory=dict)
    """What a bound variable of each type runs through."""

    full: int = 1
    """The truth of what holds everywhere: as many ones as there are worlds in this one."""

    __repr__ = fitting_repr


def evaluate(expression: Expression, world: World) -> Any:
    """The value of a term, or the bit set of worlds in which a proposition holds.

    Raises:
        KeyError: a variable has no value, or a type no domain.
    """
    if expression.binder is not None:
        return _quantified(expression, *expression.binder, world)
    args = [evaluate(arg, world) for arg in expression.args]
    if (known := OPERATORS.get(expression.head)) is not None:
        value = known.meaning(*args)
        if known.kind == "term":
            return value
        return world.full & value if known.kind == "connective" else world.full * value
    if expression.head.isdigit():
        return int(expression.head)
    value = world.values[expression.head]
    return value(*args) if args else value


def _quantified(expression: Expression, name: str, type_: str, world: World) -> int:
    is_universal = expression.head == "∀"
    truth = world.full if is_universal else 0
    for value in world.domains[type_]:
        here = evaluate(expression.args[0], attrs.evolve(world, values={**world.values, name: value}))
        truth = truth & here if is_universal else truth | here
        if truth == (0 if is_universal else world.full):
            break
    return truth


def _show(expression: Expression, level: int) -> str:
    if expression.binder is not None:
        name, type_ = expression.binder
        text, own = f"{expression.head} {name} : {type_}, {_show(expression.args[0], 0)}", _QUANTIFIER_LEVEL
    elif (known := OPERATORS.get(expression.head)) is not None:
        parts = [_show(arg, slot) for arg, slot in zip(expression.args, known.slots, strict=True)]
        text, own = known.template.format(*parts), known.level
    elif expression.args:
        text, own = " ".join([expression.head, *(_show(arg, _ATOMIC) for arg in expression.args)]), _ATOMIC - 1
    else:
        text, own = expression.head, _ATOMIC
    return text if own >= level and (own > _QUANTIFIER_LEVEL or level == 0) else f"({text})"
