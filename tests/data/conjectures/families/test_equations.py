from __future__ import annotations

import random

import pytest

from leanebm.data.conjectures import FAMILIES, Expression, World, evaluate, local
from leanebm.data.conjectures.families.equations import (
    INT,
    LIST,
    NAT,
    OPTION,
    Signature,
    Terms,
    find_equation,
    is_plain,
    random_value,
)

N, ZERO = local("n"), Expression("0")
FUNCTIONS = {"f": "Nat → Nat", "P": "Nat → Bool", "φ": "Nat → Option Nat"}


def inputs(rng: random.Random, params: dict[str, str], number: int) -> list[World]:
    return [World(values={name: random_value(rng, type_) for name, type_ in params.items()}) for _ in range(number)]


@pytest.mark.parametrize(
    ("params", "operators", "type_"),
    [
        ({"a": "Nat", "b": "Nat"}, NAT, "Nat"),
        ({"a": "Int", "b": "Int"}, INT, "Int"),
        ({"o": "Option Nat", "n": "Nat", **FUNCTIONS}, OPTION, "Option Nat"),
        ({"xs": "List Nat", "n": "Nat", **FUNCTIONS}, LIST, "List Nat"),
    ],
)
def test_both_sides_agree_on_inputs_that_nobody_tried(
    params: dict[str, str], operators: tuple[Signature, ...], type_: str
) -> None:
    found = 0
    for seed in range(5):
        rng = random.Random(seed)  # noqa: S311
        equation = find_equation(rng, Terms(rng, params.items(), operators), type_, 5, inputs(rng, params, 400))
        if equation is not None:
            found += 1
            assert equation.args[0] != equation.args[1]
            unseen = inputs(random.Random(-1), params, 100)  # noqa: S311
            assert all(evaluate(equation, world) == world.full for world in unseen)
    assert found


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (Expression("+", (ZERO, N)), False),
        (Expression("min", (N, N)), False),
        (Expression("*", (N, Expression("1"))), False),
        (Expression("++", (local("xs"), Expression("[]"))), False),
        (Expression("::", (N, Expression("[]"))), True),
        (Expression("+", (N, N)), True),
        (Expression("*", (N, Expression("2"))), True),
    ],
)
def test_what_anybody_would_write_shorter_is_not_plain(term: Expression, expected: bool) -> None:
    assert is_plain(term) == expected


@pytest.mark.parametrize("name", ["nat_recursion", "list_recursion"])
def test_a_recursive_function_comes_with_its_two_equations(name: str) -> None:
    made = [FAMILIES[name].generate(random.Random(seed), 2) for seed in range(8)]  # noqa: S311
    statements = [one.statement for one in made if one is not None]
    assert statements
    start, step = ("f 0 = ", "f (n + 1) = ") if name == "nat_recursion" else ("f [] = ", "f (n :: xs) = ")
    assert all(start in statement and step in statement for statement in statements)
