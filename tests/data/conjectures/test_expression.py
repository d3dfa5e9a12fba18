from __future__ import annotations

import pytest

from leanebm.data.conjectures import OPERATORS, Expression, World, evaluate, exists, forall, implies, local

P, Q = local("p"), local("q")
N, M, XS = local("n"), local("m"), local("xs")


def _plus(a: Expression, b: Expression) -> Expression:
    return Expression("+", (a, b))


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (implies([P, Q], P), "p → q → p"),
        (implies([implies([P], Q)], P), "(p → q) → p"),
        (Expression("¬", (Expression("∧", (P, Q)),)), "¬(p ∧ q)"),
        (Expression("∧", (Expression("¬", (P,)), Q)), "¬p ∧ q"),
        (_plus(N, _plus(M, N)), "n + (m + n)"),
        (_plus(_plus(N, M), N), "n + m + n"),
        (Expression("=", (Expression("length", (Expression("++", (XS, XS)),)), N)), "(xs ++ xs).length = n"),
        (Expression("map", (Expression("reverse", (XS,)), local("f"))), "xs.reverse.map f"),
        (local("f", local("f", N)), "f (f n)"),
        (local("f", _plus(N, M)), "f (n + m)"),
        (forall("x", "α", exists("y", "α", local("R", local("x"), local("y")))), "∀ x : α, ∃ y : α, R x y"),
        (Expression("∧", (forall("x", "α", P), Q)), "(∀ x : α, p) ∧ q"),
        (Expression("=", (Expression("not", (local("b"),)), local("c"))), "(!b) = c"),
    ],
)
def test_it_is_printed_with_the_parentheses_that_lean_needs(expression: Expression, text: str) -> None:
    assert str(expression) == text


@pytest.mark.parametrize(
    ("head", "arguments", "value"),
    [
        ("-", (2, 5), 0),
        ("int-", (2, 5), -3),
        ("∣", (0, 0), True),
        ("∣", (0, 3), False),
        ("∣", (3, 6), True),
        ("∣", (4, 6), False),
        ("::", (1, (2, 3)), (1, 2, 3)),
        ("take", ((1, 2, 3), 5), (1, 2, 3)),
        ("drop", ((1, 2, 3), 2), (3,)),
        ("tail", ((),), ()),
        ("option_or", ((), (4,)), (4,)),
        ("option_or", ((0,), (4,)), (0,)),
        ("get_or", ((0,), 4), 0),
        ("get_or", ((), 4), 4),
        ("xor", (True, True), False),
    ],
)
def test_operators_mean_what_they_mean_in_lean(head: str, arguments: tuple[object, ...], value: object) -> None:
    assert OPERATORS[head].meaning(*arguments) == value


def test_a_proposition_is_judged_in_many_worlds_at_once() -> None:
    world = World(values={"p": 0b0011, "q": 0b0101}, full=0b1111)
    assert evaluate(implies([P], Q), world) == 0b1101
    assert evaluate(Expression("↔", (P, Q)), world) == 0b1001
    assert evaluate(Expression("¬", (P,)), world) == 0b1100


def test_quantifiers_run_through_the_domain() -> None:
    world = World(values={"R": lambda x, y: 1 if x < y else 0}, domains={"α": range(3)})
    below = local("R", local("x"), local("y"))
    assert evaluate(forall("x", "α", exists("y", "α", below)), world) == 0  # nothing is above 2
    assert evaluate(exists("x", "α", forall("y", "α", Expression("¬", (below,)))), world) == 1
    nothing = World(values={}, domains={"α": ()})
    assert evaluate(forall("x", "α", Expression("False")), nothing) == 1
    assert evaluate(exists("x", "α", Expression("¬", (Expression("False"),))), nothing) == 0
