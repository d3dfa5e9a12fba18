"""Lean text cut into commands, and theorems taken out of it."""

from __future__ import annotations

from typing import SupportsIndex

import pytest

from leanebm.core import Theorem, theorem_text
from leanebm.core.theorem_text import (
    is_covered,
    lean_commands,
    mentioned,
    split_binders,
    split_theorem,
    theorem_of_command,
    with_theorems_for_lemmas,
)

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


def test_where_on_its_line_a_word_stands_decides_whether_it_begins_a_command() -> None:
    text = "variable (n : Nat)\n  lemma a : p\n   by lemma\n/- b -/ lemma\n\n\ninfix\n infix\n\t@[simp]  instance"
    assert [(command.keyword, command.start) for command in lean_commands(text)] == [
        ("variable", 0),
        ("lemma", 21),
        ("infix", 61),
        ("instance", 75),
    ]
    assert [command.keyword for command in lean_commands("lemma a : p")] == ["lemma"]
    assert [command.keyword for command in lean_commands("\n  lemma a : p")] == ["lemma"]
    assert [command.keyword for command in lean_commands("end\n  lemma a : p")] == ["end", "lemma"]
    assert [command.keyword for command in lean_commands("/- end\n -/ lemma a : p")] == [""]


class _CountedText(str):
    """Counts the characters that are copied out of it."""

    __slots__ = ("copied",)
    copied: int

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        piece = super().__getitem__(key)
        self.copied = getattr(self, "copied", 0) + len(piece)
        return piece


def test_a_long_line_is_not_copied_again_for_each_of_its_words() -> None:
    text = _CountedText("theorem t : 1 = 1 := by simp [" + ", ".join(["h"] * 5000) + "]\n" + "lemma u : p\n" * 100)
    assert len(lean_commands(text)) == 101
    assert text.copied < 10 * len(text)


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


BY_CLAUSES = {
    "theorem t : ∀ n : Nat, n = n\n  | 0 => sorry\n  | n + 1 => sorry": "∀ n : Nat, n = n",
    "theorem t (m : Nat) : ∀ n : Nat, m ||| n = n ||| m | 0 => sorry | _ => sorry": (
        "(m : Nat) : ∀ n : Nat, m ||| n = n ||| m"
    ),
    "theorem t : ∀ o : Option Nat, (match o with\n | none => 0\n | some x => x) = o.getD 0\n | o => by\n"
    "  have : 1 = 1 := rfl\n  sorry": "∀ o : Option Nat, (match o with\n | none => 0\n | some x => x) = o.getD 0",
    "theorem t : ∀ x : Int, |x| ≥ 0\n| .ofNat n => sorry\n| .negSucc n => sorry": "∀ x : Int, |x| ≥ 0",
    "theorem t : 1 = 1 ∧ 2 = 2 where\n  left := rfl\n  right := sorry": "1 = 1 ∧ 2 = 2",
}


@pytest.mark.parametrize("text", BY_CLAUSES)
def test_a_theorem_may_be_proved_by_clauses(text: str) -> None:
    assert Theorem.of(text).statement == BY_CLAUSES[text]


@pytest.mark.parametrize(
    "statement",
    [
        "∀ o : Option Nat, (match o with\n | none => 0\n | some x => x) = o.getD 0",
        "∀ o : Option Nat, match o with\n | none => True\n | some x => x = x",
        "∃ f : Nat → Nat, f = fun\n | 0 => 1\n | n => n",
        "let f : Nat → Nat\n  | 0 => 1\n  | n => n\nf 0 = 1",
        "∀ x : Int,\n |x| ≥ 0 ∧ ∃ f : Nat → Nat, f = fun y => y",
        "3 |> fun n => n = 3",
    ],
)
def test_clauses_within_a_statement_are_no_proof(statement: str) -> None:
    assert Theorem.of(f"theorem t : {statement}").statement == statement
    assert Theorem.of(f"theorem t : {statement} := by sorry").statement == statement


def test_a_lemma_before_a_theorem_becomes_a_theorem() -> None:
    before = "-- lemma\nlemma one : 1 = 1 := rfl\n@[simp] private lemma two.{u} (lemma : Type u) : lemma = lemma := rfl"
    meant = (
        "-- lemma\ntheorem one : 1 = 1 := rfl\n@[simp] private theorem two.{u} (lemma : Type u) : lemma = lemma := rfl"
    )
    assert with_theorems_for_lemmas(before) == meant
    assert Theorem.of("1 = 1", context=before).context == meant
    assert Theorem(name="t", statement="1 = 1", context=before).context == meant
    assert Theorem.of("lemma one : 1 = 1 := rfl\nlemma two : 1 = 1 := by sorry").context == "theorem one : 1 = 1 := rfl"


def test_what_is_imported_anyway_may_be_imported_by_the_text() -> None:
    text = "import Mathlib.Tactic\nimport Init\nimport Std -- hashes\ntheorem a : 1 = 1"
    assert Theorem.of(text, imports=("Mathlib", "Std")) == Theorem(name="a", statement="1 = 1")
    with pytest.raises(ValueError, match=r"it imports Mathlib\.Tactic: .* by --imports Init,Std,Mathlib\.Tactic$"):
        Theorem.of(text, imports=("Init", "Std"))


@pytest.mark.parametrize(
    ("module", "imports", "expected"),
    [
        ("Init.Data.Nat", (), True),
        ("Std.Data", ("Lean",), True),
        ("Std", ("Std.Data",), False),
        ("Mathlibrary", ("Mathlib",), False),
    ],
)
def test_a_module_is_covered_by_one_above_it(module: str, imports: tuple[str, ...], *, expected: bool) -> None:
    assert is_covered(module, imports) is expected


def test_a_mutual_block_before_a_theorem_is_kept_unless_it_is_left_empty() -> None:
    types = "mutual\ninductive A\n| a : B → A\ninductive B\nend\n"
    theorems = "mutual\ntheorem a : 1 = 1 := sorry\nend\n"
    kept = "mutual\n\ninductive A\n| a : B → A\n\ninductive B\n\nend"
    assert Theorem.of(f"{types}theorem t : 1 = 1").context == kept
    commands = lean_commands(f"{theorems}theorem t : 1 = 1 := sorry")
    assert theorem_of_command(commands, len(commands) - 1).context == ""


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
        ("  ", ["states nothing"]),
        ("-- 1 = 1", ["states nothing"]),
        ("/-" * 3000, ["states nothing"]),
        ("theorem t", ["states nothing"]),
        ("import Mathlib\ntheorem t (n : Nat) : := by sorry", ["states nothing", "--imports Mathlib"]),
        ("theorem a : ∀ n : Nat, n = n\n  | _ => rfl", ["has a proof already"]),
        ("mutual\ntheorem a : 1 = 1 := b\ntheorem b : 1 = 1 := by sorry\nend", ["'b' stands in a `mutual` block"]),
        ("namespace A\n  mutual\n  theorem a : 1 = 1 := by sorry\n  end", ["'a' stands in a `mutual` block"]),
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
    with pytest.raises(ValueError, match="it cannot have a context"):
        Theorem(name="t", copy_from="Nat.add_comm", context="def f := 1")


@pytest.mark.parametrize("text", ['"' * 3000, "r#" * 3000, "⟨" * 3000, "«" * 3000, "@[" * 3000, "x" * 10**6])
def test_odd_text_is_left_for_lean_to_refuse(text: str) -> None:
    assert Theorem.of(text).statement == text


def test_a_name_is_mentioned_in_every_part_that_may_be_one() -> None:
    text = 'exact (Nat.pos h).le -- not this\n "nor this"'
    assert mentioned(text) == {"exact", "Nat.pos", "Nat", "pos", "h", "le"}
    assert mentioned("a.b.c") == {"a", "b", "c", "a.b", "b.c", "a.b.c"}
    assert len(mentioned(".".join(["a"] * 10_000))) == 16


def test_of_many_theorems_a_few_are_named() -> None:
    with pytest.raises(ValueError, match="more than one theorem to prove") as refused:
        split_theorem("theorem a : 1 = 1\n" * 200)
    assert "and 192 more" in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("hostile", ["open A " * 7_000, "open" + " " * 50_000 + "A", "set_option inner " * 3_000])
def test_words_that_wait_for_their_in_are_read_once(hostile: str) -> None:
    before = "open Nat in\nset_option maxRecDepth 9  in "
    found = [line for line, end in theorem_text._IN.findall(before + hostile) if end]
    assert found == ["open Nat", "set_option maxRecDepth 9"]
