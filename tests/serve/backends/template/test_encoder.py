from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.serve.backends.template import _encoder as encoder
from leanebm.serve.backends.template._encoder import DIM, embed

STATE = """case succ
α : Type u_1
n : Nat
xs ys : List α
ih : (xs ++ ys).length = ys.length + xs.length
⊢ (xs ++ ys).length + n = ys.length + (xs.length + n)"""


def cosine(one: str, other: str) -> float:
    a, b = embed(one)[0], embed(other)[0]
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


@given(st.text(max_size=300) | st.text(alphabet="⊢∀∃ ()[]:=,xyzn.+\n", max_size=300))
def test_any_text_has_a_usable_vector(text: str) -> None:
    vector, tokens = embed(text)
    assert len(vector) == DIM
    assert all(map(math.isfinite, vector))
    assert any(vector)
    assert tokens >= 0


def test_a_vector_is_the_same_on_every_machine_for_ever() -> None:
    # A head that was trained on these vectors relies on it: with another digest, count up ENCODER_VERSION.
    rounded = ",".join(f"{value:.4f}" for value in embed(STATE)[0])
    assert hashlib.sha256(rounded.encode()).hexdigest()[:16] == "5ee9da20e8e18d61"


def test_names_of_variables_do_not_matter() -> None:
    renamed = STATE.replace("xs", "as").replace("ys", "bs").replace("n :", "k :").replace("+ n", "+ k")
    assert embed(renamed)[0] == embed(STATE)[0]

    assert embed(renamed.replace("α", "β"))[0] == embed(STATE)[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("p q : Prop\nh : p\n⊢ p", "p q : Prop\nh : p\n⊢ q"),
        ("p q : Prop\nh : p ∨ q\n⊢ p ∧ q", "p q : Prop\nh : q ∨ p\n⊢ p ∧ q"),
        ("a b c : Nat\n⊢ a + b = c", "a b c : Nat\n⊢ a + c = b"),
        ("p q : Prop\nhp : p\nhq : q\n⊢ f hp", "p q : Prop\nhp : p\nhq : q\n⊢ f hq"),
        ("xs ys : List Nat\n⊢ xs.length = 0", "xs ys : List Nat\n⊢ ys.length = 0"),
    ],
)
def test_names_of_one_type_stay_apart(one: str, other: str) -> None:
    assert embed(one)[0] != embed(other)[0]


def test_what_a_goal_says_matters() -> None:
    other = STATE.replace("(xs.length + n)", "(n + xs.length)")
    assert cosine(STATE, other) < 0.999
    assert cosine(STATE, other) > cosine(STATE, "p q : Prop\nhp : p\n⊢ p ∨ q")


def test_a_hypothesis_is_not_a_goal() -> None:
    assert embed("p q : Prop\nh : p\n⊢ q")[0] != embed("p q : Prop\nh : q\n⊢ p ∧ q")[0]
    assert cosine("a b : Nat\nh : a < b\n⊢ a = b", "a b : Nat\nh : a = b\n⊢ a < b") < 0.99


SIDES = (("f (g x)", "g (f y)"), ("f (g y)", "g (f x)"), ("g (f y)", "f (g x)"))
LAWS = "m : α → α → α\nf g : α → α\nx y : α\nh : f (g x) = g (f x)\n"


@pytest.mark.parametrize("relation", ["=", "≤", "↔"])
def test_sides_that_are_swapped_or_nearer_are_told_apart(relation: str) -> None:
    """All of these have the same symbols, in equally long goals."""
    goals = [f"{left} {relation} {right}" for left, right in SIDES]
    assert len({tuple(embed(f"{LAWS}⊢ {goal}")[0]) for goal in goals}) == 3


def compared(goal: str) -> list[int]:
    """What the nine last numbers count."""
    return [round(math.expm1(value)) for value in embed(f"{LAWS}⊢ {goal}")[0][-9:]]


@pytest.mark.parametrize(
    ("goal", "counts"),
    [
        # nodes of each side, and alone there; partings, and nodes there; leaves, ways to them, heads on these ways
        ("f (g x) = f (g x)", [3, 3, 0, 0, 0, 0, 0, 0, 0]),
        ("f (g x) = g (f x)", [3, 3, 0, 0, 1, 6, 0, 1, 0]),
        ("m x (f y) = m x y", [4, 3, 1, 0, 1, 3, 0, 1, 1]),
        ("m (f x) y = m x (f y)", [4, 4, 0, 0, 2, 6, 0, 2, 2]),
        ("∀ z : α, m z x = m z y", [3, 3, 1, 1, 1, 2, 1, 0, 0]),
        ("x = y → f x = f y", [2, 2, 1, 1, 1, 2, 1, 0, 0]),
        ("True", [0] * 9),
        ("x = y ∧ y = x", [0] * 9),
    ],
)
def test_how_far_two_sides_are_apart_is_counted(goal: str, counts: list[int]) -> None:
    assert compared(goal) == counts


def test_long_sides_are_compared_in_bounds() -> None:
    assert all(map(math.isfinite, embed(f"⊢ {'f (' * 3000}x{')' * 3000} = {'g (' * 3000}x{')' * 3000}")[0]))
    assert all(map(math.isfinite, embed(f"⊢ {' + '.join('ab' * 900)} = {' + '.join('ba' * 900)}")[0]))


def test_every_goal_counts() -> None:
    assert cosine("⊢ 1 = 1", "⊢ 1 = 1\n\n⊢ 2 = 3") < 0.99
    assert cosine("⊢ 1 = 1\n\n⊢ 2 = 3", "⊢ 2 = 3\n\n⊢ 1 = 1") < 0.9999


def test_a_text_that_is_no_goal_is_described_by_its_tokens() -> None:
    assert cosine("three blind mice", "three blind rats") > cosine("three blind mice", "an apple a day")
    assert embed("")[1] == 0
    assert embed("⊢ " + "(" * 5000 + "x" + ")" * 5000)[1] > 0


def test_a_state_of_any_length_is_read_in_bounds() -> None:
    vector, tokens = embed("⊢ " + " + ".join(f"x{i}" for i in range(20_000)))
    assert tokens == 4096
    assert all(map(math.isfinite, vector))


def test_no_long_text_is_kept_in_memory() -> None:
    embed("⊢ x = y")
    before = encoder._kept_entries.cache_info().currsize
    embed("⊢ " + "a" * 10_000)
    # Of the pieces of this state only "state" and the goal's marks are short, and those are known.
    assert encoder._kept_entries.cache_info().currsize <= before + 3
    assert embed("⊢ " + "a" * 10_000) != embed("⊢ " + "b" * 10_000)


def test_a_state_that_says_little_with_many_words_is_read_quickly() -> None:
    # Each of these would cost minutes if its cost were the square of its length.
    names = " ".join(f"x{number}" for number in range(20_000))
    for state in (
        f"{names} : {'a + ' * 200}b = c\n⊢ c = b",
        "⊢ a\n\n" * 50_000,
        "⊢ " + '"\\' * 10_000,
        "/- tactic state:" * 20_000 + "⊢ a",
    ):
        assert any(embed(state)[0])
