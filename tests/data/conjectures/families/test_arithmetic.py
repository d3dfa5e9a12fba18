from __future__ import annotations

import itertools
import random
import re

import pytest

from leanebm.data.conjectures import FAMILIES, Expression, evaluate, implies, local
from leanebm.data.conjectures.families.arithmetic import _larger_worlds


@pytest.mark.parametrize("name", ["divisibility", "inequalities"])
def test_statements_hold_for_all_small_numbers(name: str) -> None:
    made = [FAMILIES[name].generate(random.Random(seed), 1 + seed % 4) for seed in range(20)]  # noqa: S311
    statements = [one.statement for one in made if one is not None and not re.search("min|max", one.statement)]
    assert len(statements) >= 3
    for statement in statements:
        assert holds(statement), statement


def holds(statement: str) -> bool:
    """By Python's own arithmetic, read from the text that Lean gets."""
    binders, body = statement.split(", ", 1)
    names = re.findall(r"\b\w\b", binders)
    *premises, conclusion = [_as_python(part) for part in body.split(" → ")]
    return all(
        eval(conclusion, {**_MEANINGS, **values})  # noqa: S307
        for row in itertools.product(range(5), repeat=len(names))
        for values in [{name: _Nat(value) for name, value in zip(names, row, strict=True)}]
        if all(eval(premise, {**_MEANINGS, **values}) for premise in premises)  # noqa: S307
    )


class _Nat(int):
    """With Lean's subtraction."""

    def __add__(self, other: int) -> _Nat:
        return _Nat(int(self) + int(other))

    def __mul__(self, other: int) -> _Nat:
        return _Nat(int(self) * int(other))

    def __sub__(self, other: int) -> _Nat:
        return _Nat(max(int(self) - int(other), 0))


def _divides(a: int, b: int) -> bool:
    return b == 0 if a == 0 else int(b) % int(a) == 0


def _as_python(part: str) -> str:
    text = re.sub(r"\b(\d+)\b", r"N(\1)", part)
    if "∣" in text:
        left, right = text.split("∣")
        return f"divides({left}, {right})"
    return text.replace("≤", "<=")


_MEANINGS = {"N": _Nat, "divides": _divides}


def test_what_only_larger_numbers_refute_is_refuted() -> None:
    n, m = local("n"), local("m")
    square = Expression("∣", (n, Expression("*", (m, m))))
    body = implies([square], Expression("∣", (n, Expression("+", (m, Expression("+", (m, n)))))))
    assert not all(evaluate(body, world) for world in _larger_worlds(("n", "m")))  # 9 ∣ 3 * 3
