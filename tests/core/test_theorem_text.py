"""Lean text cut into commands, and theorems taken out of it."""

from __future__ import annotations

import pytest

from leanebm.core import Theorem
from leanebm.core.theorem_text import lean_commands, mentioned, split_binders, split_theorem, theorem_of_command

FILE = """\
import Mathlib

open Nat BigOperators
set_option maxHeartbeats 400000

/-- A solution; theorem not_one : False -/
@[simp] noncomputable abbrev answer : Nat :=
  3

/-! theorem not_two : False := by sorry -/

structure Point where
  x : Nat
  deriving DecidableEq, Repr

mutual
  inductive Even : Nat → Prop
    | zero : Even 0
  inductive Odd : Nat → Prop
end

deriving instance Repr for Point

lemma helper (n : Nat) : n = n := by
  open Nat in
  set_option maxRecDepth 1000 in
  rfl

-- theorem not_three : False := by sorry
local notation "theorem!" => "-- theorem not_four"

open Nat in
private theorem target.{u} {α : Type u} (n : Nat)
    (h : n = answer := by omega) -- theorem not_five
    : let m := n; m = 3 := by
  sorry
"""


def test_a_file_is_cut_into_its_commands() -> None:
    commands = lean_commands(FILE)
    assert [command.keyword for command in commands] == [
        *("import", "open", "set_option", "abbrev", "structure", "mutual", "inductive", "inductive", "end", "deriving"),
        *("lemma", "notation", "theorem"),
    ]
    assert commands[3].declared == "answer"
    assert [command.declared for command in commands if command.is_claim] == ["helper", "target"]
    assert [command.holds_sorry for command in commands if command.is_claim] == [False, True]
    assert all(FILE[command.start :].startswith(command.text) for command in commands)
    assert "".join("".join(command.text.split()) for command in commands) == "".join(FILE.split())


def test_a_theorem_is_taken_out_of_a_file() -> None:
    found = split_theorem(FILE)
    assert (found.name, found.imports, found.proof) == ("target", ("Mathlib",), None)
    assert found.header == "open Nat BigOperators\nset_option maxHeartbeats 400000"
    assert found.context.startswith("/-- A solution")
    assert found.context.endswith("universe u\n\nopen Nat")
    assert split_binders(found.statement) == (
        "{α : Type u} (n : Nat)\n    (h : n = answer := by omega)",
        "let m := n; m = 3",
    )


TAKEN = {
    "theorem foo (n : Nat) : n + 0 = n := by sorry": ("foo", "(n : Nat) : n + 0 = n"),
    "theorem foo (n : Nat) : n + 0 = n := sorry": ("foo", "(n : Nat) : n + 0 = n"),
    "theorem foo (n : Nat) : n + 0 = n := by": ("foo", "(n : Nat) : n + 0 = n"),
    "theorem foo (n : Nat) : n + 0 = n :=": ("foo", "(n : Nat) : n + 0 = n"),
    "theorem foo (n : Nat) : n + 0 = n": ("foo", "(n : Nat) : n + 0 = n"),
    "lemma foo.bar' : 1 = 1 := by\n  sorry -- later\n": ("foo.bar'", "1 = 1"),
    "\ufeff/-- := sorry -/\r\n@[simp, local grind =]\r\ntheorem foo\r\n\t: 1 = 1 := by\r\n\tsorry\r\n": (
        "foo",
        "1 = 1",
    ),
    "theorem «a b» /- ( -/ : 1 = 1 := by sorry": ("«a b»", "1 = 1"),
    "example {p : Prop} [Decidable p] : p ∨ ¬p := by sorry": (None, "{p : Prop} [Decidable p] : p ∨ ¬p"),
    "∀ n : Nat, n = n": (None, "∀ n : Nat, n = n"),
    "1  =  1 := by sorry": (None, "1  =  1"),
    "let n := 3; n = 3": (None, "let n := 3; n = 3"),
    "theorem t : let n := 3; n = 3 := by sorry": ("t", "let n := 3; n = 3"),
    "theorem t : (do let x ← some 1; some x) = some 1 := by sorry": ("t", "(do let x ← some 1; some x) = some 1"),
    "theorem t : do let x ← some True; x := by sorry": ("t", "do let x ← some True; x"),
    "theorem t : have h := 1; h = 1": ("t", "have h := 1; h = 1"),
    'theorem t : ":=  by" = "-- theorem" := by sorry': ("t", '":=  by" = "-- theorem"'),
    "theorem t : 'a' ≠ '(' ∧ '\\'' ≠ '\"' := by sorry": ("t", "'a' ≠ '(' ∧ '\\'' ≠ '\"'"),
    'theorem t : r#"a " :="# = "" := by sorry': ("t", 'r#"a " :="# = ""'),
    "theorem t : ∀ x : Nat,\n    x = x := by sorry": ("t", "∀ x : Nat, x = x"),
    "theorem t : ∀ x, match x with\n  | 0 => True\n  | _ => False := by sorry": (
        "t",
        "∀ x, match x with\n  | 0 => True\n  | _ => False",
    ),
    "theorem t : 1 = 1 := by\n  have h : 2 = 2 := by sorry\n  rfl": ("t", "1 = 1"),
    "theorem one : 1 = 1 := rfl\ntheorem two : 2 = 2 := by sorry\ntheorem three : 3 = 3 := rfl": ("two", "2 = 2"),
}


@pytest.mark.parametrize("text", TAKEN)
def test_a_theorem_is_taken_as_it_is_written(text: str) -> None:
    name, statement = TAKEN[text]
    theorem = Theorem.of(text)
    assert theorem.statement == statement
    assert theorem.name == name if name else theorem.name.startswith("statement_")


def test_what_stands_before_a_theorem_is_its_context() -> None:
    theorem = Theorem.of(
        "open Nat\nuniverse u\ndef two := 2\nopen List\ntheorem wrong : two = 3 := by sorry", context="def one := 1"
    )
    assert theorem.header == ""
    assert theorem.context == "def one := 1\n\nopen Nat\nuniverse u\n\ndef two := 2\n\nopen List"
    assert theorem.preamble == theorem.context
    plain = Theorem.of("open Nat\nuniverse u\ndef two := 2\ntheorem t : two = 2", header="open List")
    assert (plain.header, plain.context) == ("open List\n\nopen Nat\nuniverse u", "def two := 2")
    assert plain.preamble == "open List\n\nopen Nat\nuniverse u\n\ndef two := 2"


def test_each_theorem_of_a_file_can_be_taken() -> None:
    commands = lean_commands("def f := 1\ntheorem a : f = 1 := by sorry\ndef g := 2\ntheorem b : g = 2 := by sorry")
    first, second = (theorem_of_command(commands, place) for place in (1, 3))
    assert (first.name, first.context) == ("a", "def f := 1")
    assert (second.name, second.context) == ("b", "def f := 1\n\ndef g := 2"), "a theorem left open is no lemma"


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        ("def f := 1", ["states nothing"]),
        ("theorem a : 1 = 1 := by sorry\ntheorem b : 2 = 2 := by sorry", ["more than one", "'a', 'b'"]),
        ("theorem a : 1 = 1 := by rfl", ["has a proof already", "certify"]),
        ("import Mathlib\ntheorem a : 1 = 1 := rfl", ["--imports Mathlib", "has a proof already"]),
        ("def f := sorry\ntheorem a : f = 1\ntheorem b : f = 1", ["'f' is left as sorry", "more than one"]),
        ("hello\ntheorem a : 1 = 1", ["'hello' in front of it"]),
    ],
)
def test_every_obstacle_is_named_at_once(text: str, complaints: list[str]) -> None:
    with pytest.raises(ValueError, match=complaints[0]) as caught:
        Theorem.of(text)
    assert all(complaint in str(caught.value) for complaint in complaints), caught.value


@pytest.mark.parametrize(
    ("statement", "binders"),
    [
        ("(n : Nat) : n = n", "(n : Nat)"),
        ("(n) {m : Nat} ⦃k⦄ [Inhabited Nat] : n = m", "(n) {m : Nat} ⦃k⦄ [Inhabited Nat]"),
        ("n (h : n = n) : n = 1", "n (h : n = n)"),
        (": True", ""),
        ("(n : Nat) → n = n", ""),
        ("(1 : Nat) = 1", ""),
        ("∀ n : Nat, n = n", ""),
        ("fun x : Nat => x", ""),
        ("let x : Nat := 1; x = 1", ""),
        ("if h : 1 = 1 then True else False", ""),
        ("", ""),
    ],
)
def test_binders_stand_before_a_colon(statement: str, binders: str) -> None:
    assert split_binders(statement)[0] == binders


def test_a_library_theorem_takes_no_context() -> None:
    with pytest.raises(ValueError, match="stands for itself"):
        Theorem(name="t", copy_from="Nat.add_comm", context="def f := 1")


@pytest.mark.parametrize(
    "text", ['"' * 3000, "/-" * 3000, "r#" * 3000, "⟨" * 3000, "«" * 3000, "@[" * 3000, "x" * 10**6]
)
def test_odd_text_is_left_for_lean_to_refuse(text: str) -> None:
    assert Theorem.of(text).statement is not None


def test_a_name_is_mentioned_in_every_part_that_may_be_one() -> None:
    text = 'exact (Nat.pos h).le -- not this\n "nor this"'
    assert mentioned(text) == {"exact", "Nat.pos", "Nat", "pos", "h", "le"}
    assert mentioned("a.b.c") == {"a", "b", "c", "a.b", "b.c", "a.b.c"}
    assert len(mentioned(".".join(["a"] * 10_000))) == 16
