from __future__ import annotations

from collections.abc import Iterator

import pytest

from leanebm._printed.expression import Expression
from leanebm._printed.goal import PrintedGoal, find_state, parse_goal

STATE = """case cons
α : Type
P : α → Prop
inst✝ : DecidableEq α
x a✝ : α
xs ys : List α
k : Nat := 5
h : ∀ (y : α),
  y ∈ xs → P y
hx : P x
⊢ (x :: xs ++ ys).length =
    ys.length + (x :: xs).length

case nil
⊢ False"""


def test_the_first_goal_is_read() -> None:
    goal = parse_goal(STATE)
    assert [v.name for v in goal.data] == ["α", "P", "x", "xs", "ys", "k"]
    assert [v.name for v in goal.hypotheses] == ["h", "hx"]
    assert goal.target.head == "="
    assert goal.of_type("List")[0].type.text == "List α"
    assert goal.of_type("Nat")[0].name == "k"


def test_new_names_avoid_all_names_in_sight() -> None:
    goal = parse_goal(STATE)
    assert goal.fresh("n") == "n"
    assert goal.fresh("h") == "h1"
    assert goal.fresh("x", frozenset({"x1"})) == "x2"
    assert goal.fresh("a✝") == "a"


@pytest.mark.parametrize(
    "prompt",
    [
        "Do it.\n```lean4\n/- tactic state:\nn : Nat\n⊢ n = n\n-/\n```\n",
        "old: /- tactic state:\n⊢ False\n-/ new: /- tactic state:\nn : Nat\n⊢ n = n\n-/",
        "  /- tactic state:\n  n : Nat\n  ⊢ n = n\n  -/\n  ",
        "n : Nat\n⊢ n = n",
    ],
)
def test_the_state_is_found_in_a_prompt(prompt: str) -> None:
    state = find_state(prompt)
    assert state is not None
    goal = parse_goal(state)
    assert goal.target.text == "n = n"
    assert [v.name for v in goal.data] == ["n"]


def test_a_prompt_without_a_goal_is_noticed() -> None:
    assert find_state("What is a monad?") is None
    with pytest.raises(ValueError, match="no goal"):
        parse_goal("n : Nat")


def test_openings_without_an_end_are_no_comment_and_cost_no_more_than_their_length() -> None:
    assert find_state("/- tactic state:" * 200_000) is None
    assert find_state("/- tactic state: ⊢ a -/ /- tactic state:\n⊢ b\n-/" + "/- tactic state:" * 9) == "⊢ b"


class Counted(frozenset[str]):
    """Counts how often it is asked for a name; may not be gone through."""

    asked = 0

    def __contains__(self, name: object) -> bool:
        Counted.asked += 1
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("went through all the names")


def test_new_names_are_found_without_going_through_all_the_old_ones_each_time() -> None:
    goal = PrintedGoal((), Expression("True", text="True"), Counted(f"h{number}" for number in range(10_000)))
    assert {goal.fresh("h") for _ in range(100)} == {"h"}
    Counted.asked = 0
    assert {goal.fresh("h1") for _ in range(100)} == {"h"}
    assert {goal.fresh("h1", frozenset({"h"})) for _ in range(100)} == {"h10000"}
    assert goal.fresh("h1", frozenset({"h", "h10000"})) == "h10001"
    assert Counted.asked < 11_000


def test_a_type_on_many_lines_is_one_type() -> None:
    goal = parse_goal("h : p\n" + "    ∧ p\n" * 200 + "⊢ True")
    assert goal.hypotheses[0].type.text == "p" + " ∧ p" * 200
