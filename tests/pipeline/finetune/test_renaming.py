from __future__ import annotations

import attrs
import pytest

from leanebm.pipeline.finetune._renaming import renamed_copies
from leanebm.pipeline.finetune.lessons import Lesson

LESSON = Lesson("t", "p q : Prop\nx : Nat\nh : p → q\nhp : p\n⊢ q", "exact h hp")


def test_a_copy_differs_in_which_variable_bears_which_name() -> None:
    [first, second] = renamed_copies([LESSON], 8, seed=0)
    assert first == LESSON
    assert second == Lesson("t", "p q : Prop\nx : Nat\nh : q → p\nhp : q\n⊢ p", "exact h hp")


def test_a_tactic_is_renamed_with_its_state() -> None:
    lesson = Lesson("t", "a b : Nat\nab : a = b\n⊢ b = a", "exact (ab : a = b).symm")
    copies = set(renamed_copies([lesson], 8, seed=0))
    assert Lesson("t", "a b : Nat\nab : b = a\n⊢ a = b", "exact (ab : b = a).symm") in copies


def test_the_type_of_variables_declared_together_is_renamed_too() -> None:
    lesson = Lesson("t", "p q : Prop\nhp hp' : p\nhq : q\n⊢ p ∧ q", "exact ⟨hp, hq⟩")
    copies = set(renamed_copies([lesson], 32, seed=0))
    assert copies == {
        attrs.evolve(lesson, state=state, tactic=tactic)
        for state in (lesson.state, "p q : Prop\nhp hp' : q\nhq : p\n⊢ q ∧ p")
        for tactic in (lesson.tactic, "exact ⟨hp', hq⟩")
    }


@pytest.mark.parametrize(
    ("names", "others"),
    [("h✝ h", set()), ("h✝¹ h✝ h", set()), ("h✝ h g", {"exact g"})],
)
def test_a_name_that_no_tactic_can_say_is_no_variables_new_one(names: str, others: set[str]) -> None:
    lesson = Lesson("t", f"p : Prop\n{names} : p\n⊢ p", "exact h")
    assert {copy.tactic for copy in renamed_copies([lesson], 8, seed=0)} == {"exact h"} | others


def test_what_declares_no_two_variables_together_has_no_copies() -> None:
    lesson = Lesson("t", "p : Prop\nh : p\n⊢ p", "exact h")
    assert list(renamed_copies([lesson], 8, seed=0)) == [lesson]


def test_a_name_of_several_goals_is_left_alone_where_it_means_different_things() -> None:
    lesson = Lesson("t", "p q : Prop\n⊢ p\n\nq r : Nat\n⊢ q = r", "skip")
    assert list(renamed_copies([lesson], 8, seed=0)) == [lesson]


def test_no_copies_is_what_it_says_and_as_many_as_asked_for_at_most() -> None:
    many = Lesson("t", "a b c d e : Nat\n⊢ a + b + c + d = e", "omega")
    assert list(renamed_copies([many], 0, seed=0)) == [many]
    copies = list(renamed_copies([many], 5, seed=0))
    assert 3 <= len(copies) <= 6
    assert len(set(copies)) == len(copies)
    assert copies == list(renamed_copies([many], 5, seed=0))
