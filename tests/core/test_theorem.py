from __future__ import annotations

from typing import Any

import pytest

from leanebm.core import Theorem


def test_a_statement_alone_is_named_after_itself() -> None:
    one, same, other = Theorem.of("1 + 1 = 2"), Theorem.of("1 + 1 = 2"), Theorem.of("1 + 1 = 3")
    assert one == same
    assert one.name != other.name
    assert one.name.startswith("statement_")
    assert (one.statement, one.copy_from, one.header) == ("1 + 1 = 2", None, "")
    assert Theorem.of("\ud800").name != one.name, "text that is not Unicode is named too; what it means is for others"


def test_what_stands_before_a_statement_is_part_of_the_name_that_is_made_from_it() -> None:
    bare, lemma = Theorem.of("a = a"), Theorem.of("a = a", header="open Nat", context="lemma t : 1 = 1 := rfl")
    assert bare.name == "statement_32075844"
    assert lemma.name == "statement_3da1bc96"
    assert Theorem.of("open Nat\n\ntheorem t : 1 = 1 := rfl\n\nexample : a = a := by sorry") == lemma


def test_a_statement_may_be_given_a_name_and_a_header() -> None:
    theorem = Theorem.of("p", name="mine", header="open Nat")
    assert (theorem.name, theorem.header, theorem.display) == ("mine", "open Nat", "p")
    with pytest.raises(ValueError, match="needs a name"):
        Theorem.of("p", name=" ")


@pytest.mark.parametrize("name", ["\ud800", "a\udfffb"])
def test_a_name_that_is_no_text_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="lone surrogate"):
        Theorem(name=name, statement="True")


def test_text_and_theorems_are_read_alike() -> None:
    theorem = Theorem.of("1 + 1 = 2")
    assert Theorem.read("1 + 1 = 2") == theorem
    assert Theorem.read(theorem) is theorem


@pytest.mark.parametrize("given", [5, None, b"True", ["True"]])
def test_what_is_neither_is_named(given: Any) -> None:
    for read in (Theorem.read, Theorem.of):
        with pytest.raises(TypeError, match=r"expected a theorem, or its text such as '1 \+ 1 = 2', got "):
            read(given)


def test_one_message_names_every_obstacle() -> None:
    text = (
        "import Mathlib\naxiom cheat : 1 = 2\n#eval 1\n#eval 2\nmacro_rules | `(x) => `(1)\n"
        "def fine := 1 -- no initialize here\ntheorem t : fine = 1 := rfl"
    )
    with pytest.raises(ValueError, match="it imports Mathlib") as refused:
        Theorem.of(text)
    said = str(refused.value)
    assert "it has a proof already" in said
    for word in ("axiom", "#eval", "macro_rules"):
        assert said.count(f"`{word}` may not stand in front of a theorem") == 1
    assert "initialize" not in said
    assert "def" not in said


def test_what_stands_in_front_is_left_for_lean_to_judge_where_nothing_else_is_wrong() -> None:
    assert Theorem.of("axiom cheat : 1 = 2\ntheorem t : 1 = 1 := by sorry").context == "axiom cheat : 1 = 2"
