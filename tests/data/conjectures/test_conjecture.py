from __future__ import annotations

import re

import pytest

from leanebm.data.conjectures import (
    FAMILIES,
    Conjecture,
    ConjectureSplit,
    Expression,
    forall,
    implies,
    local,
    split_of_skeleton,
)
from leanebm.lean import LeanPool, ReplayingEnvironment

R = "α → α → Prop"


def _of(body: Expression, **params: str) -> Conjecture:
    return Conjecture.of("mine", params, body, difficulty=1)


def test_names_are_given_by_type_in_the_order_of_use() -> None:
    body = implies([local("blue"), local("green")], local("blue"))
    assert _of(body, green="Prop", blue="Prop", red="Prop").statement == "∀ (p q : Prop), p → q → p"


def test_statements_that_differ_in_names_alone_are_the_same() -> None:
    one = implies([forall("x", "α", local("P", local("x")))], forall("x", "α", local("Q", local("x"))))
    two = implies([forall("u", "α", local("B", local("u")))], forall("v", "α", local("A", local("v"))))
    assert _of(one, P="α → Prop", Q="α → Prop") == _of(two, A="α → Prop", B="α → Prop")
    assert _of(one, P="α → Prop", Q="α → Prop").name == _of(two, A="α → Prop", B="α → Prop").name


def test_a_bound_variable_never_captures_a_free_one() -> None:
    body = forall("x", "α", local("R", local("x"), local("a")))
    assert _of(body, R=R, a="α").statement == "∀ (α : Type) (R : α → α → Prop) (x : α), ∀ y : α, R y x"
    shadowed = forall(
        "x", "α", implies([forall("x", "α", local("R", local("x"), local("x")))], local("R", local("x"), local("x")))
    )
    assert _of(shadowed, R=R).statement == "∀ (α : Type) (R : α → α → Prop), ∀ x : α, (∀ y : α, R y y) → R x x"


def test_a_skeleton_has_no_names_and_no_numerals() -> None:
    def equation(name: str, number: str) -> Expression:
        return Expression("=", (local(name), Expression("+", (local(name), Expression(number)))))

    assert _of(equation("a", "1"), a="Nat").skeleton == "_ = _ + 0" == _of(equation("b", "7"), b="Nat").skeleton
    assert _of(implies([local("p")], local("q")), p="Prop", q="Prop").skeleton == "_ → _"


def test_splits_are_ten_to_one_to_two() -> None:
    counts = dict.fromkeys(ConjectureSplit, 0)
    for number in range(13_000):
        counts[split_of_skeleton(f"skeleton {number}")] += 1
    assert abs(counts[ConjectureSplit.TRAIN] - 10_000) < 300
    assert abs(counts[ConjectureSplit.VAL] - 1_000) < 150
    assert abs(counts[ConjectureSplit.TEST] - 2_000) < 200
    assert counts[ConjectureSplit.UNSEEN] == 0


def test_every_family_has_its_own_name_on_what_it_makes(drawn: tuple[Conjecture, ...]) -> None:
    assert [made.family for made in drawn] == [name for name in FAMILIES for _ in range(6)]


_CONSTANTS = {"min", "max", "some", "Prop", "Type", "Nat", "Int", "Bool", "List", "Option"}


def test_statements_are_closed(drawn: tuple[Conjecture, ...]) -> None:
    for made in drawn:
        bound = {name for group in re.findall(r"[(∀∃]\s*([^():∀∃]+?) : ", made.statement) for name in group.split()}
        names = set(re.findall(r"(?<![.\w])[^\W\d][\w']*", made.statement))
        assert names <= bound | _CONSTANTS, made.statement


@pytest.mark.lean
async def test_lean_can_state_what_every_family_makes(drawn: tuple[Conjecture, ...], lean_pool: LeanPool) -> None:
    environment = ReplayingEnvironment(lean_pool)
    for made in drawn[::3]:
        async with environment.open(made.theorem) as session:
            assert session.root.goals
