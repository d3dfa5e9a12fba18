"""Whole files over the wire: where a ``sorry`` stands, proofs of what is missing there, and verdicts."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Repl
from .definitions import DEFINITIONS

pytestmark = pytest.mark.lean

_FILE = """universe u
namespace A
variable {α : Type u} (a b : α)
/-- sorry -/
def f (n : Nat) : Nat := n + 1
inductive Color where
  | red | green
theorem foo (n : Nat) (h : 0 < n) : n + 0 = n := by
  have h2 : 1 = 1 := sorry
  cases n with
  | zero => sorry
  | succ k => exact (by admit)
/- sorry -/
open Nat in
theorem B.bar (h : a = b) : b = a ∧ f 1 = 2 := ⟨sorry, by sorry⟩
theorem two : ∃ n : Nat, n = 3 := ⟨sorry, sorry⟩
theorem cal (p q : Nat) (h : p = q) : q = p := calc
  q = q := sorry
  _ = p := by sorry
private theorem pr : "sorry" = "sorry" := by
  induction (3 : Nat) with
  | zero => sorry
  | succ n ih => sorry
def data : Nat := sorry
theorem col (c : Color) : c = .red ∨ c = .green := by
  cases c <;> sorry
mutual
theorem ev (n : Nat) : n = n := by sorry
theorem od (n : Nat) : n = n := by sorry
end
theorem wh (n : Nat) : n = n := go n
where go (m : Nat) : m = m := by sorry
theorem use (n : Nat) (h : 0 < n) : n + 0 = n := foo n h
theorem mat (o : Option Nat) : (match o with | none => 0 | some x => x) = o.getD 0 := by
  cases o
  · sorry
  · sorry
theorem auto {β} (l : List β) (h : l = sorry) : l = l := by sorry
end A
"""

_SAID = {
    "A.foo": [
        "∀ (n : Nat), 0 < n → 1 = 1",
        "1 = 1 → 0 < 0 → 0 + 0 = 0",
        "1 = 1 → ∀ (k : Nat), 0 < k + 1 → k + 1 + 0 = k + 1",
    ],
    "A.B.bar": ["∀ {α : Type u} (a b : α), a = b → b = a", "∀ {α : Type u} (a b : α), a = b → f 1 = 2"],
    "A.two": ["it stands for data, not for a proof", "what it stands for is about another sorry"],
    "A.cal": ["∀ (p q : Nat), p = q → q = q", "∀ (p q : Nat), p = q → q = p"],
    "A.pr": ['"sorry" = "sorry"', '∀ (n : Nat), "sorry" = "sorry" → "sorry" = "sorry"'],
    "A.col": ["Color.red = Color.red ∨ Color.red = Color.green"],
    "A.ev": ["∀ (n : Nat), n = n"],
    "A.od": ["∀ (n : Nat), n = n"],
    "A.wh": ["∀ (n m : Nat), m = m"],
    "A.use": [],
    "A.mat": [
        "(match none with\n  | none => 0\n  | some x => x) =\n  none.getD 0",
        "∀ (val : Nat),\n  (match some val with\n    | none => 0\n    | some x => x) =\n    (some val).getD 0",
    ],
    "A.auto": ["it stands in the statement", "what it stands for is about another sorry"],
}


def _text(place: dict[str, Any], source: str = _FILE) -> str:
    return source.encode()[place["start"] : place["stop"]].decode()


def test_every_sorry_is_found_with_what_it_stands_for(repl: Repl) -> None:
    reply = repl("file.sorries", source=_FILE)
    said = {
        theorem["name"]: [sorry.get("statement") or sorry["objection"] for sorry in theorem["sorries"]]
        for theorem in reply["theorems"]
    }
    assert said == _SAID
    places = [sorry for theorem in reply["theorems"] for sorry in theorem["sorries"]]
    assert {_text(place) for place in places} == {"sorry", "admit"}
    assert [(_text(other), other["tactic"]) for other in reply["others"]] == [("sorry", False)]
    assert [_text({"start": start, "stop": stop}).split()[0] for start, stop in reply["commands"]] == [
        *("universe", "namespace", "variable", "/--", "inductive", "theorem", "open", "theorem", "theorem", "private"),
        *("def", "theorem", "mutual", "theorem", "theorem", "theorem", "theorem", "end"),
    ]


def test_a_term_s_place_is_told_from_a_tactic_s(repl: Repl) -> None:
    source = "theorem t : 1 = 1 ∧ 2 = 2 := ⟨sorry, by sorry⟩"
    (theorem,) = repl("file.sorries", source=source)["theorems"]
    assert [sorry["tactic"] for sorry in theorem["sorries"]] == [False, True]


def _start(repl: Repl, source: str, number: int) -> dict[str, Any]:
    place = [at for at in range(len(source)) if source.startswith("sorry", at)][number]
    return repl("file.start", source=source, sorry=len(source[:place].encode()))


def test_a_proof_starts_where_the_sorry_stands(repl: Repl) -> None:
    source = (
        "open Nat\ntheorem é (p q : Prop) (hp : p) (hq : q) : p ∧ q := by\n  constructor\n  · exact hp\n  · sorry\n"
    )
    started = _start(repl, source, 0)
    assert started["goals"][0]["ppGoal"] == "case right\np q : Prop\nhp : p\nhq : q\n⊢ q"
    assert repl.tactic(started["stateId"], "exact hp")["messages"]
    assert repl.tactic(started["stateId"], "exact hq")["goals"] == []


def test_nothing_is_known_of_what_follows(repl: Repl) -> None:
    source = "theorem t : 1 = 2 := by\n  sorry\ntheorem u : 1 = 2 := t\n"
    state = _start(repl, source, 0)["stateId"]
    for tactic in ("exact u", "exact?", "simp [u]", "simp", "assumption"):
        assert repl.tactic(state, tactic).get("goals") != []


def test_a_proof_knows_the_namespace_and_what_is_opened(repl: Repl) -> None:
    source = (
        "namespace A\ntheorem key : 3 = 3 := rfl\nend A\nnamespace B\ntheorem own : 4 = 4 := rfl\n"
        "open A in\ntheorem t : 3 = 3 ∧ 4 = 4 := by sorry\nend B\n"
    )
    state = _start(repl, source, 0)["stateId"]
    assert repl.tactic(state, "exact ⟨key, own⟩")["goals"] == []


def test_a_place_without_a_sorry_is_no_index(repl: Repl) -> None:
    assert repl("file.start", source="theorem t : 1 = 1 := rfl\n", sorry=3)["error"] == "index"
    assert repl("file.start", source="def x : Nat := sorry\n", sorry=15)["error"] == "index"


_SLOW = "set_option maxHeartbeats 0 in\nset_option maxRecDepth 10000 in\n"


@pytest.mark.parametrize(
    "source",
    [
        f"{_SLOW}theorem slow : ∀ a b c : Fin 40, a + b + c = c + b + a := by decide\ntheorem t : 1 = 1 := by sorry\n",
        f"{_SLOW}theorem t : 1 = 1 ∧ ∀ a b c : Fin 40, a + b + c = c + b + a := ⟨by sorry, by decide⟩\n",
    ],
)
@pytest.mark.parametrize("command", ["file.start", "file.sorries", "file.certify"])
def test_a_file_that_is_given_up_is_not_refused(repl: Repl, command: str, source: str) -> None:
    place = len(source[: source.index("sorry")].encode())
    assert repl(command, source=source, sorry=place, timeout=500) == {"error": "io", "desc": "interrupt"}
    assert "stateId" in repl("goal.start", expr="1 = 1")


@pytest.mark.parametrize(
    ("source", "reason", "message"),
    [
        ("theorem t : 1 = 1 := foo\n", "elaboration", "1:22: Unknown identifier"),
        ("\ntheorem t : 1 = 1 := by\n  rfl\n  rfl\n", "elaboration", "4:3: "),
        ("theorem t : 1 = 1 :=\n", "elaboration", "2:1: "),
        ("#eval 1\n", "forbidden", "1:1: "),
        ("\n  run_cmd pure ()\n", "forbidden", "2:3: "),
    ],
)
@pytest.mark.parametrize("command", ["file.sorries", "file.certify"])
def test_what_lean_does_not_take_is_rejected_with_its_place(
    repl: Repl, command: str, source: str, reason: str, message: str
) -> None:
    rejected = repl(command, source=source)["rejected"]
    assert rejected["reason"] == reason
    assert rejected["message"].startswith(message)


def _verdicts(repl: Repl, source: str, **more: object) -> dict[str, Any]:
    return {theorem["name"]: theorem for theorem in repl("file.certify", source=source, **more)["theorems"]}


def test_each_theorem_has_a_verdict_of_its_own(repl: Repl) -> None:
    source = (
        "structure P where\n  x : Nat\n\ndef P.twice (p : P) : Nat := p.x + p.x\n"
        "theorem good (p : P) : p.twice = 2 * p.x := by\n  unfold P.twice\n  omega\n"
        "theorem half : 1 = 1 := by\n  have : 2 = 2 := sorry\n  rfl\n"
        "theorem rest : 1 = 1 := half\ntheorem classical (p : Prop) : p ∨ ¬p := Classical.em p\n"
    )
    verdicts = _verdicts(repl, source)
    assert verdicts["good"]["certificate"]["statement"] == "∀ (p : P), p.twice = 2 * p.x"
    assert "P" not in verdicts["good"]["certificate"]["constants"]
    assert verdicts["half"]["rejected"]["reason"] == "sorry"
    assert (verdicts["half"]["sorries"], verdicts["rest"]["sorries"]) == (1, 0)
    assert verdicts["rest"]["rejected"]["reason"] == "sorry"
    assert verdicts["rest"]["unproved"] == ["half"]
    assert verdicts["good"]["unproved"] == []
    assert "certificate" in verdicts["classical"]
    assert list(_verdicts(repl, source, theorems=["rest"])) == ["rest"]


def test_a_theorem_must_say_what_it_said_before(repl: Repl) -> None:
    before = "theorem t (n : Nat) : n + 0 = n := by sorry\n"
    same = "theorem t (n : Nat) : n + 0 = n := by simp\n"
    assert "certificate" in _verdicts(repl, same, original=before)["t"]
    for other in (
        "theorem t (n : Nat) : 0 + n = n := by simp\n",
        "theorem t : True := trivial\n",
        "theorem t (n : Int) : n + 0 = n := by simp\n",
        "theorem t (n : Nat) (h : n = n) : n + 0 = n := by simp\n",
    ):
        assert _verdicts(repl, other, original=before)["t"]["rejected"]["reason"] == "type_mismatch"
    assert _verdicts(repl, same, original="theorem u : 1 = 1 := rfl\n")["t"]["rejected"]["reason"] == "type_mismatch"


def test_an_example_is_a_theorem_without_a_name(repl: Repl) -> None:
    source = (
        "namespace A\nexample : 1 = 1 := by sorry\nopen Nat in\nexample (n : Nat) : n = n := rfl\n"
        "example : Nat := 3\nend A\n"
    )
    (first, second) = repl("file.sorries", source=source)["theorems"]
    assert [sorry["statement"] for sorry in first["sorries"]] == ["1 = 1"]
    assert second["sorries"] == []
    verdicts = _verdicts(repl, source, theorems=[second["name"]])
    assert verdicts[second["name"]]["certificate"]["statement"] == "∀ (n : Nat), n = n"
    state = _start(repl, source, 0)["stateId"]
    assert repl.tactic(state, "rfl")["goals"] == []


def test_what_only_shows_something_is_passed_over(repl: Repl) -> None:
    source = "#check Nat\ntheorem t : 1 = 1 := rfl\n#print axioms t\n#print Nat\n"
    reply = repl("file.certify", source=source)
    assert "certificate" in reply["theorems"][0]
    assert len(reply["commands"]) == 4


def test_a_notation_of_the_file_s_own_does_not_change_how_a_statement_looks(repl: Repl) -> None:
    source = 'local notation:50 x:51 " ≐ " y:51 => Nat.le x y\ntheorem t : 1 ≐ 2 := Nat.le.step Nat.le.refl\n'
    (verdict,) = _verdicts(repl, source).values()
    assert "≐" not in verdict["certificate"]["statement"]


def test_a_proof_in_a_statement_may_be_shared_with_a_theorem_before_it(repl: Repl) -> None:
    before = "theorem a : 3 < 5 := by sorry\ntheorem b : (⟨3, by omega⟩ : Fin 5).val = 3 := by sorry\n"
    after = "theorem a : 3 < 5 := by omega\ntheorem b : (⟨3, by omega⟩ : Fin 5).val = 3 := by rfl\n"
    verdicts = _verdicts(repl, after, original=before)
    assert all("certificate" in verdict for verdict in verdicts.values())


@pytest.mark.parametrize("shape", DEFINITIONS)
def test_definitions_stand_in_front_of_a_theorem_that_is_filled(repl: Repl, shape: str) -> None:
    definitions, statement, proof = DEFINITIONS[shape]
    before = f"{definitions}\ntheorem t : {statement} := by sorry\n"
    (theorem,) = repl("file.sorries", source=before)["theorems"]
    assert len(theorem["sorries"]) == 1
    assert repl.tactic(_start(repl, before, 0)["stateId"], proof)["goals"] == []
    assert "certificate" in _verdicts(repl, before.replace("sorry", proof), original=before)["t"]
