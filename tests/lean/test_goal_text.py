from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import Goal, Hypothesis
from leanebm.lean._goal_text import parse_goal_text, render_goal, text_key, without_macro_scopes


def test_a_goal_without_hypotheses_is_one_line() -> None:
    assert render_goal([], "p ∨ q") == "⊢ p ∨ q"


def test_neighbours_of_one_type_share_a_line() -> None:
    hypotheses = [Hypothesis("p", "Prop"), Hypothesis("q", "Prop"), Hypothesis("h", "p ∨ q"), Hypothesis("r", "Prop")]
    assert render_goal(hypotheses, "q ∨ p") == "p q : Prop\nh : p ∨ q\nr : Prop\n⊢ q ∨ p"


def test_a_let_variable_stands_alone_with_its_value() -> None:
    hypotheses = [
        Hypothesis("n", "Nat"),
        Hypothesis("x", "Nat", "5"),
        Hypothesis("y", "Nat", "5"),
        Hypothesis("m", "Nat"),
    ]
    assert render_goal(hypotheses, "x = 5") == "n : Nat\nx : Nat := 5\ny : Nat := 5\nm : Nat\n⊢ x = 5"


def test_case_name_and_dagger_are_shown() -> None:
    text = render_goal([Hypothesis("h✝", "p", is_inaccessible=True)], "q ∨ p", case_name="inl")
    assert text == "case inl\nh✝ : p\n⊢ q ∨ p"


def test_a_conversion_goal_has_a_bar() -> None:
    assert render_goal([], "a + b", is_conversion=True) == "| a + b"


def test_what_does_not_fit_goes_on_the_next_line() -> None:
    long = "x" * 118
    assert render_goal([Hypothesis("h", long)], "True") == f"h :\n  {long}\n⊢ True"
    assert render_goal([Hypothesis("h", "a →\n  b")], "c →\n  d") == "h :\n  a →\n    b\n⊢ c →\n    d"


_names = st.from_regex(r"[a-z]{1,4}✝?", fullmatch=True)
_words = st.sampled_from(["a", "∀ b,", "c →", "(x := 1)", "{ y := (2) }", "d:e"])
_types = st.lists(_words, min_size=1, max_size=40).map(" ".join)


@given(
    hypotheses=st.lists(st.tuples(_names, _types, st.none() | _types), max_size=5),
    target=_types,
    case_name=st.none() | st.from_regex(r"[a-z]+(\.[a-z]+)?", fullmatch=True),
)
def test_parsing_undoes_rendering(
    hypotheses: list[tuple[str, str, str | None]], target: str, case_name: str | None
) -> None:
    wanted = tuple(Hypothesis(name, type_, value, "✝" in name) for name, type_, value in hypotheses)
    text = render_goal(wanted, target, case_name=case_name)
    assert parse_goal_text(text) == Goal(text, target, wanted, case_name)


def test_continued_lines_are_read() -> None:
    goal = parse_goal_text("n m : Nat\nh :\n  n =\n    m\nx : Nat := f fun y := 2\n⊢ a ∧\n    b")
    assert [h.name for h in goal.hypotheses] == ["n", "m", "h", "x"]
    assert goal.hypotheses[2].type == "n =\n  m"
    assert goal.hypotheses[3].value == "f fun y := 2"
    assert goal.target == "a ∧\n  b"


@pytest.mark.parametrize("text", ["", "n : Nat", "garbage\n⊢ p"])
def test_text_that_is_no_goal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"goal without|without a type"):
        parse_goal_text(text)


def _key(**changes: Any) -> str:
    goal = {"text": "h✝ : ?m.12\nx✝¹ : p\n⊢ q h✝", "target": "q h✝"} | changes
    return text_key([Goal(**goal)])


def test_the_key_ignores_inaccessible_names_and_metavariable_numbers() -> None:
    assert _key() == _key(text="a✝ : ?m.99\nb✝ : p\n⊢ q a✝")


@pytest.mark.parametrize("text", ["h✝ : ?m.12\nx✝¹ : p\n⊢ q x✝¹", "h✝ : ?m.12\nx✝¹ : r\n⊢ q h✝"])
def test_the_key_tells_other_states_apart(text: str) -> None:
    assert _key() != _key(text=text)


def test_macro_scopes_are_hidden() -> None:
    assert without_macro_scopes("inl._@.Init.Core._hyg.12") == "inl"
    assert without_macro_scopes("succ.inl") == "succ.inl"


def test_a_hypothesis_may_be_called_case_and_have_a_long_type() -> None:
    goal = parse_goal_text(render_goal([Hypothesis("case", "x" * 200)], "True"))
    assert goal.case_name is None
    assert [hypothesis.name for hypothesis in goal.hypotheses] == ["case"]


def test_a_key_of_a_long_word_does_not_take_its_square() -> None:
    # Backtracking, this would take minutes.
    text = "⊢ " + "9" * 200_000 + " = " + "x✝" * 100_000 + "y"
    assert text_key([Goal(text=text, target="")]).startswith("text.")
