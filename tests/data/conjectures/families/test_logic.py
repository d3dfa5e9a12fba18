from __future__ import annotations

import itertools
import random
import re
from unittest import mock

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from leanebm.data.conjectures import Expression, evaluate, exists, forall, implies, local
from leanebm.data.conjectures.families import logic
from leanebm.data.conjectures.families._worlds import is_contingent, is_tight, random_models, truth_table
from leanebm.data.conjectures.families.logic import FirstOrderFamily, PropositionalFamily, holds_intuitionistically

P, Q, R = local("p"), local("q"), local("r")


def no(formula: Expression) -> Expression:
    return Expression("¬", (formula,))


def either(a: Expression, b: Expression) -> Expression:
    return Expression("∨", (a, b))


def both(a: Expression, b: Expression) -> Expression:
    return Expression("∧", (a, b))


formulas = st.recursive(
    st.sampled_from([P, Q, R]),
    lambda parts: st.one_of(
        parts.map(no), st.builds(lambda head, *args: Expression(head, args), st.sampled_from("∧∨→↔"), parts, parts)
    ),
    max_leaves=6,
)


def by_rows(formula: Expression, values: dict[str, bool]) -> bool:
    """The truth in one row, by Python's own words."""
    args = [by_rows(arg, values) for arg in formula.args]
    match formula.head:
        case "¬":
            return not args[0]
        case "∧":
            return args[0] and args[1]
        case "∨":
            return args[0] or args[1]
        case "→":
            return not args[0] or args[1]
        case "↔":
            return args[0] == args[1]
    return values[formula.head]


@given(formulas)
def test_a_truth_table_says_what_each_row_says(formula: Expression) -> None:
    table = evaluate(formula, truth_table("pqr"))
    for row in range(8):
        values = {atom: bool(row >> place & 1) for place, atom in enumerate("pqr")}
        assert bool(table >> row & 1) == by_rows(formula, values)


@given(formulas)
def test_a_formula_is_valid_if_and_only_if_its_double_negation_holds_intuitionistically(formula: Expression) -> None:
    world = truth_table("pqr")
    assert holds_intuitionistically(no(no(formula))) == (evaluate(formula, world) == world.full)


@pytest.mark.parametrize(
    ("formula", "holds"),
    [
        (either(P, no(P)), False),
        (no(no(either(P, no(P)))), True),
        (implies([implies([implies([P], Q)], P)], P), False),
        (implies([P], no(no(P))), True),
        (implies([no(no(P))], P), False),
        (implies([no(no(no(P)))], no(P)), True),
        (implies([no(both(P, Q))], either(no(P), no(Q))), False),
        (implies([no(either(P, Q))], both(no(P), no(Q))), True),
        (implies([implies([either(P, implies([P], Q))], Q)], Q), True),
        (implies([Expression("↔", (P, no(P)))], Q), True),
        (implies([implies([P], either(Q, R))], either(implies([P], Q), implies([P], R))), False),
    ],
)
def test_what_holds_without_excluded_middle_is_known(formula: Expression, holds: bool) -> None:
    assert holds_intuitionistically(formula) == holds


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_a_propositional_statement_needs_all_its_premises(seed: int, difficulty: int) -> None:
    with mock.patch.object(logic, "implies", wraps=implies) as joined:
        made = PropositionalFamily().generate(random.Random(seed), difficulty)  # noqa: S311
    if made is None:
        reject()
    assert made.flavour in ("intuitionistic", "classical")
    assert re.fullmatch(r"∀ \((\w )+: Prop\), .+", made.statement)
    premises, conclusion = joined.call_args.args
    rows = [dict(zip("pqrst", values, strict=True)) for values in itertools.product([False, True], repeat=5)]

    def follows(given: list[Expression]) -> bool:
        return all(by_rows(conclusion, row) for row in rows if all(by_rows(premise, row) for premise in given))

    assert any(all(by_rows(premise, row) for premise in premises) for row in rows)
    assert follows(premises)
    assert not any(follows(premises[:place] + premises[place + 1 :]) for place in range(len(premises)))


def test_premises_that_are_not_needed_or_cannot_hold_are_told() -> None:
    worlds = (truth_table("pqr"),)
    assert is_tight([P, implies([P], Q)], Q, worlds)
    assert not is_tight([P, R], P, worlds)  # r is not needed
    assert not is_tight([P], Q, worlds)  # does not follow
    assert not is_tight([P, no(P)], Q, worlds)  # cannot hold
    assert is_tight([], either(P, no(P)), worlds)
    assert is_contingent(P, worlds)
    assert not is_contingent(either(P, no(P)), worlds)


PREDICATES = {"P": "α → Prop", "R": "α → α → Prop", "p": "Prop", "f": "α → α", "a": "α"}
X, Y = local("x"), local("y")


def some(body: Expression) -> Expression:
    return exists("x", "α", body)


def every(body: Expression) -> Expression:
    return forall("x", "α", body)


@pytest.mark.parametrize(
    ("formula", "is_valid"),
    [
        (implies([every(local("P", X))], some(local("P", X))), False),  # not where there is nothing
        (implies([local("P", local("a"))], some(local("P", X))), True),
        (implies([some(forall("y", "α", local("R", X, Y)))], forall("y", "α", some(local("R", X, Y)))), True),
        (implies([forall("y", "α", some(local("R", X, Y)))], some(forall("y", "α", local("R", X, Y)))), False),
        (implies([every(local("P", local("f", X)))], every(local("P", X))), False),
        (implies([every(local("P", X))], every(local("P", local("f", X)))), True),
        (implies([no(every(local("P", X)))], some(no(local("P", X)))), True),
    ],
)
def test_small_models_tell_what_is_valid(formula: Expression, is_valid: bool) -> None:
    names = {node.head for node in formula.walk()}
    worlds = [world for world in random_models(PREDICATES) if "a" not in names or "a" in world.values]
    assert all(evaluate(formula, world) == world.full for world in worlds) == is_valid


def test_models_depend_on_nothing_but_the_seed() -> None:
    worlds = [random_models({"p": "Prop"}, seed=seed)[3].values["p"] for seed in (1, 1, 2)]
    assert worlds[0] == worlds[1] != worlds[2]


@pytest.mark.parametrize("name", ["P", "R"])
def test_a_first_order_statement_is_about_its_familys_predicates(name: str) -> None:
    family = FirstOrderFamily("mine", {name: PREDICATES[name]}, max_premises=1)
    made = [family.generate(random.Random(seed), 2) for seed in range(6)]  # noqa: S311
    statements = [one.statement for one in made if one is not None]
    assert statements
    assert all(f"({name} : {PREDICATES[name]})" in statement for statement in statements)
