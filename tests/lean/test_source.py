from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import Theorem
from leanebm.lean import assemble, declaration_name, lean_file


def test_each_tactic_is_an_indented_block() -> None:
    theorem = Theorem(name="add zero", statement="∀ n : Nat, n + 0 = n", header="open Nat")
    text = assemble(theorem, ["intro n", "induction n with\n| zero => rfl\n| succ n ih =>\n  simp"])
    assert text == (
        "open Nat\n\n"
        "theorem leanebm_add_zero : ∀ n : Nat, n + 0 = n := by\n"
        "  intro n\n"
        "  induction n with\n"
        "  | zero => rfl\n"
        "  | succ n ih =>\n"
        "    simp\n"
    )


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_what_ends_no_line_of_leans_is_left_alone(separator: str) -> None:
    tactic = f'exact f "a{separator}b"'
    assert f"\n  {tactic}\n" in assemble(Theorem(name="t", statement="p"), [tactic])


def test_a_step_that_was_indented_is_put_in_line() -> None:
    theorem = Theorem(name="t", statement="p")
    assert assemble(theorem, ["    simp\n    rfl\n"]) == "theorem leanebm_t : p := by\n  simp\n  rfl\n"


def test_a_statement_of_several_lines_keeps_its_layout() -> None:
    theorem = Theorem(name="t", statement="∀ n,\n  p n")
    assert assemble(theorem, ["simp"]) == "theorem leanebm_t :\n    ∀ n,\n      p n := by\n  simp\n"


def test_a_comment_at_the_end_of_a_statement_does_not_swallow_the_proof() -> None:
    theorem = Theorem(name="t", statement="p -- easy")
    assert assemble(theorem, ["simp"]) == "theorem leanebm_t : p -- easy\n    := by\n  simp\n"


def test_a_library_theorem_is_stated_by_its_name() -> None:
    theorem = Theorem(name="Nat.add_comm", copy_from="Nat.add_comm")
    text = assemble(theorem, ["omega"], "∀ (n m : Nat),\n  n + m = m + n")
    assert text == (
        "-- Nat.add_comm : ∀ (n m : Nat),\n"
        "--   n + m = m + n\n"
        "theorem leanebm_Nat_add_comm : type_of% @Nat.add_comm := by\n"
        "  omega\n"
    )


def test_a_file_starts_with_its_imports() -> None:
    assert lean_file(("Init", "Std"), "theorem …\n") == "import Init\nimport Std\n\ntheorem …\n"


@given(name=st.text(min_size=1).filter(lambda name: bool(name.strip())))
def test_a_declaration_name_is_a_plain_identifier(name: str) -> None:
    assert re.fullmatch(r"leanebm_[A-Za-z0-9_]+", declaration_name(Theorem(name=name, statement="p")))
