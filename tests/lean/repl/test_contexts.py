"""Contexts at ``goal.start``: where a proof begins, and how a context that cannot be taken is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leanebm.core import Theorem
from leanebm.data import read_theorem_file

from .definitions import DEFINITIONS

pytestmark = pytest.mark.lean

_SHAPES = Path(__file__).parents[2] / "data" / "shapes"

_STATED = [
    theorem
    for name in ("contexts.lean", "putnam.json", "minictx.jsonl")
    for theorem in read_theorem_file(_SHAPES / name).theorems
]

_VARIABLES = "variable {α : Type} [Inhabited α] (a b : α) (h : a = b)"


def _goals(repl: Any, expr: str, context: str, **more: str) -> list[str]:
    reply = repl("goal.start", expr=expr, context=context, goals=True, prop=True, **more)
    return [goal["ppGoal"] for goal in reply["goals"]]


@pytest.mark.parametrize(
    ("expr", "context", "goal"),
    [
        ("f 1 = 2", "def f (n : Nat) := n + 1", "⊢ f 1 = 2"),
        ("(n : Nat) (h : 0 < n) : n ≠ 0", "", "n : Nat\nh : 0 < n\n⊢ n ≠ 0"),
        ("(n : Nat) {m : Nat} [NeZero n] : n ≠ 0", "", "n m : Nat\ninst✝ : NeZero n\n⊢ n ≠ 0"),
        ("(a b : Nat) : ∀ c, a + b = c → True", "", "a b : Nat\n⊢ ∀ (c : Nat), a + b = c → True"),
        (": 1 = 1", "", "⊢ 1 = 1"),
        ("a = a", _VARIABLES, "α : Type\ninst✝ : Inhabited α\na : α\n⊢ a = a"),
        ("(c : α) : c = a", _VARIABLES, "α : Type\ninst✝ : Inhabited α\na c : α\n⊢ c = a"),
        ("b = a", f"{_VARIABLES}\ninclude h", "α : Type\ninst✝ : Inhabited α\na b : α\nh : a = b\n⊢ b = a"),
        ("∃ x : α, x = x", _VARIABLES, "α : Type\ninst✝ : Inhabited α\n⊢ ∃ x, x = x"),
        ("∃ x : α, x = x", f"{_VARIABLES}\nomit [Inhabited α]", "α : Type\n⊢ ∃ x, x = x"),
        ("1 = 1", _VARIABLES, "⊢ 1 = 1"),
        ("∀ a : Nat, a = a", _VARIABLES, "⊢ ∀ (a : Nat), a = a"),
        ("(a : Nat) : a = a", _VARIABLES, "a : Nat\n⊢ a = a"),
        ("n = n", "variable (n : Nat)\nvariable (n : Int)", "n : Int\n⊢ n = n"),
        (
            "(xs : List α) : xs = xs",
            "set_option autoImplicit true",
            "α : Type u_2\nxs : List α\n⊢ xs = xs",
        ),
        ("∀ x : α, x = x", "set_option autoImplicit true", "α : Sort u_2\n⊢ ∀ (x : α), x = x"),
        (
            "(x : β) : x = x ∧ a = a",
            "set_option autoImplicit true\nvariable {α : Type v} [Inhabited α] (a : α)",
            "α : Type v\ninst✝ : Inhabited α\na : α\nβ : Sort u_2\nx : β\n⊢ x = x ∧ a = a",
        ),
        ("1 = 1", "set_option autoImplicit true", "⊢ 1 = 1"),
        ("one = 1", "namespace A\ndef one := 1", "⊢ one = 1"),
        ("(α : Type u) (a : α) : a = a", "universe u", "α : Type u\na : α\n⊢ a = a"),
    ],
)
def test_a_proof_begins_with_what_the_theorem_is_about(repl: Any, expr: str, context: str, goal: str) -> None:
    assert _goals(repl, expr, context) == [goal]


def test_tactics_see_the_context(repl: Any) -> None:
    context = 'namespace A\ndef two := 2\n@[simp] theorem two_eq : two = 2 := rfl\nnotation "zwei" => two'
    state = repl.start("1 + zwei = 3", context=context)
    assert repl.tactic(state, "have : zwei = A.two := rfl; simp")["goals"] == []
    assert "nextStateId" not in repl.tactic(repl.start("1 + 1 = 2"), "have := A.two_eq; rfl")


def test_a_header_comes_first(repl: Any) -> None:
    assert _goals(repl, "f 1 = 2", "def f := succ", header="open Nat") == ["⊢ f 1 = 2"]
    assert _goals(repl, "x = succ 1", "open Nat\ndef x := succ 1") == ["⊢ x = succ 1"]


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ("axiom cheat : False", ("`axiom`", "hypothesis of the theorem")),
        ("#eval 1", ("`#eval`", "not allowed in a context")),
        ('@[extern "f"] def f := 1', ("`extern`", "not allowed")),
        ("set_option debug.skipKernelTC true", ("debug.skipKernelTC", "not allowed")),
        ("inductive T | a deriving Lean.ToJson", ("`deriving Lean.ToJson`", "DecidableEq")),
        ("noncomputable abbrev solution : Nat := sorry", ("`solution`", "left as sorry", "needs its value")),
        ("def x := y", ("y",)),
        ("def x := 1\ntheorem t : x = 2 := rfl\ndef y := 2", ("x = 2",)),
        ("end A", ("end",)),
        ("/-", ("unterminated comment",)),
        ("partial def f (n : Nat) : Nat := f n", ("`partial`", "termination_by")),
    ],
)
def test_what_cannot_be_taken_is_named(repl: Any, context: str, words: tuple[str, ...]) -> None:
    refusal = repl("goal.start", expr="1 = 1", context=context)
    assert refusal["error"] == "context"
    assert all(word in refusal["desc"] for word in words), refusal["desc"]


def test_an_error_is_the_same_the_second_time(repl: Any) -> None:
    refusals = [repl("goal.start", expr="1 = 1", context="def x := y") for _ in range(2)]
    assert refusals[0] == refusals[1]


def test_contexts_do_not_mix(repl: Any) -> None:
    for number in range(40):
        context = f"def seed := {number % 20}"
        assert repl.tactic(repl.start(f"seed = {number % 20}", context=context), "rfl")["goals"] == []
    assert repl("goal.start", expr="seed = 1")["error"] == "elab"


def test_a_statement_does_not_stay_in_its_context(repl: Any) -> None:
    context = "namespace A\ndef seed := 1\nvariable (n : Nat)"
    for _ in range(2):
        assert _goals(repl, "seed = n", context) == ["n : Nat\n⊢ seed = n"]
        assert repl("goal.start", expr="seed = ", context=context)["error"] == "parse"
        assert repl("goal.start", expr="seed = missing", context=context)["error"] == "elab"


def test_a_context_stands_on_what_was_added(repl: Any) -> None:
    context = "def twice := 2"
    assert _goals(repl, "twice = 2", context) == ["⊢ twice = 2"]
    assert repl("goal.start", expr="added_here = twice", context=context)["error"] == "elab"
    assert "error" not in repl("env.add", name="added_here", value="2", type="Nat", isTheorem=False)
    assert _goals(repl, "added_here = twice", context) == ["⊢ added_here = twice"]
    source = f"{context}\ntheorem t : twice = 2 := by\n  exact (rfl : added_here = 2)\n"
    rejected = repl("proof.certify", source=source, name="t", expr="twice = 2", context=context)["rejected"]
    assert rejected["reason"] == "elaboration"


@pytest.mark.parametrize("theorem", _STATED, ids=lambda theorem: theorem.name)
def test_theorems_of_published_shapes_begin_after_their_contexts(repl: Any, theorem: Theorem) -> None:
    reply = repl("goal.start", expr=theorem.statement, header=theorem.header, context=theorem.context, prop=True)
    assert "stateId" in reply, reply


def test_a_context_that_is_given_up_is_not_refused(repl: Any) -> None:
    context = "set_option maxHeartbeats 0\nset_option maxRecDepth 10000\n"
    context += "theorem slow : ∀ a b c : Fin 40, a + b + c = c + b + a := by decide"
    interrupted = {"error": "io", "desc": "interrupt"}
    assert repl("goal.start", expr="1 = 1", context=context, timeout=500) == interrupted
    source = f"{context}\ntheorem t : 1 = 1 := by\n  rfl\n"
    claim = {"source": source, "name": "t", "expr": "1 = 1", "context": context}
    assert repl("proof.certify", **claim, timeout=500) == interrupted
    assert "stateId" in repl("goal.start", expr="1 = 1")


@pytest.mark.parametrize("shape", DEFINITIONS)
def test_definitions_stand_in_front_of_a_theorem_that_is_proved(repl: Any, shape: str) -> None:
    context, statement, proof = DEFINITIONS[shape]
    assert repl.tactic(repl.start(statement, context=context), proof)["goals"] == []
    source = f"{context}\ntheorem t : {statement} := by {proof}\n"
    assert "certificate" in repl("proof.certify", source=source, name="t", expr=statement, context=context)
