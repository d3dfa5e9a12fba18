"""Honest proofs that look a little like attacks. A suite that rejected everything would fail here."""

from __future__ import annotations

import pytest
from chosen_lean import ChosenLean

from leanebm.core import (
    ACCEPTED_AXIOMS,
    Certificate,
    CertificationRejected,
    CertificationResult,
    ProofFinished,
    Theorem,
)
from leanebm.lean import Certifier, LeanPool

from .tally import Tally

pytestmark = pytest.mark.lean


def _is_certified(lean: ChosenLean, tally: Tally, name: str, result: CertificationResult) -> None:
    if isinstance(result, CertificationRejected) and not lean.is_ours:
        pytest.skip("plain Pantograph has only the text to look at, and more is refused")
    tally.control(name, is_proved=isinstance(result, Certificate))
    assert isinstance(result, Certificate), result.message
    assert set(result.axioms) <= ACCEPTED_AXIOMS


CONTROLS = {
    "a name with sorry in it": ("∀ sorry_free : Prop, sorry_free → sorry_free", "intro sorry_free h\nexact h", ""),
    "a quoted keyword": ("∀ «axiom» : Nat, «axiom» = «axiom»", "intro «axiom»\nrfl", ""),
    "sorry in a comment": ("1 + 1 = 2", "-- no sorry here\nrfl", ""),
    "run_tac in a string": ('"run_tac sorry" = "run_tac sorry"', "rfl", ""),
    "open … in": ("∀ p : Prop, p ∨ ¬p", "intro p\nopen Classical in exact em p", ""),
    "a local instance": ("1 < 2", "haveI : Inhabited Nat := ⟨2⟩\ndecide", ""),
    "settings by literals": (
        "∀ n : Nat, n + 0 = n",
        "intro n\nsimp (config := { decide := true, maxSteps := 99 })",
        "",
    ),
    "one setting": ("∀ n : Nat, n + 0 = n", "intro n\nsimp (maxSteps := 100) +arith", ""),
    "an occurrence": ("1 + 0 = 1", "rw (occs := .pos [1]) [Nat.add_zero]", ""),
    "an occurrence not": ("1 + 0 = 1 + 0", "rw (occs := .neg [1]) [Nat.add_zero (1 : Nat)]", ""),
    "a named structure": ("1 < 2", "decide (config := { kernel := true })", ""),
    "separators in a string": ('"a\u2028b".length = 3', "decide", ""),
    "a discharger": ("∀ n : Nat, n + 0 = n", "intro n\nsimp (discharger := assumption)", ""),
    "named arguments": ("1 + 0 = 1", "exact Nat.add_zero (n := 1)", ""),
    "decided by the kernel": ("10 < 20", "decide +kernel", ""),
    "a binder with a default": ("1 = 1", "have h (x : Nat := 3) : x = x := rfl\nexact h 1", ""),
    "a where clause": ("∀ n : Nat, n = n", "exact go\nwhere go (n : Nat) : n = n := rfl", ""),
    "recursion that ends": (
        "∀ n : Nat, 0 + n = n",
        "exact go\nwhere go : (n : Nat) → 0 + n = n\n    | 0 => rfl\n    | n + 1 => congrArg (· + 1) (go n)",
        "",
    ),
    "a helper lemma": ("2 + 2 = 4", "as_aux_lemma => rfl", ""),
    "an array": ("#[1].size = 1", "rfl", ""),
    "a bullet for each goal": ("True ∧ 1 = 1", "constructor\n· trivial\n· rfl", ""),
    "scoped universes": ("∀ (α : Sort u) (a : α), a = a", "intro α a\nrfl", "universe u"),
    "an opened namespace": ("∀ a b : Nat, a + b = b + a", "intro a b\nexact add_comm a b", "open Nat (add_comm)"),
    "a proof in the statement": ("(⟨1, by decide⟩ : Fin 2).val = 1", "rfl", ""),
    "a comment in the statement": ("1 = 1 -- := sorry", "rfl", ""),
    "a let": ("let n := 3; n = 3", "rfl", ""),
    "a match": (
        "∀ o : Option Nat, (match o with | none => 0 | some x => x) = o.getD 0",
        "intro o\ncases o <;> rfl",
        "",
    ),
    "a match in statement and proof": (
        "∀ b : Bool, (match b with | true => 1 | false => 1) = 1",
        "intro b\nexact match b with | true => rfl | false => rfl",
        "",
    ),
    "an index": ("∀ v : Vector Nat 3, v[0] = v[0]", "intro v\nrfl", ""),
    "one proof for two": (
        "∀ v : Vector Nat 3, v[0] = (⟨v[0], by omega⟩ : {n : Nat // n = v[0]}).val",
        "have h : 0 < 3 := by as_aux_lemma => decide\nintro v\nrfl",
        "",
    ),
    "a default": ("∀ (n) (h : 0 < n := by decide), n ≠ 0", "intro n h\nexact Nat.ne_of_gt h", ""),
    "a do block": ("(do let x ← some 2; return x + 1) = some 3", "rfl", ""),
    "an option's name": ("∀ set_options : Nat, set_options = set_options", "intro native_like\nrfl", ""),
}


@pytest.mark.parametrize("name", CONTROLS)
async def test_an_honest_proof_is_certified(
    certifier: Certifier, chosen_lean: ChosenLean, name: str, tally: Tally
) -> None:
    statement, proof, header = CONTROLS[name]
    theorem = Theorem(name=name, statement=statement, header=header)
    _is_certified(chosen_lean, tally, name, await certifier.certify(theorem, [proof]))


@pytest.mark.parametrize(
    ("library_name", "proof"),
    [
        ("Nat.add_comm", "intro a b\nomega"),
        ("Nat.add_zero", "intro n\nrfl"),
        (
            "Nat.add_comm",
            "intro a b\ninduction b with\n| zero => simp\n| succ n ih => rw [Nat.add_succ, ih, Nat.succ_add]",
        ),
        ("Nat.lt_of_succ_le", "intro n m h\nexact h"),
        ("Nat.add_comm", "intro a b\ngrind"),
        ("Nat.le_total", "intro m n\nexact (Nat.lt_or_ge m n).imp_left Nat.le_of_lt"),
        ("Nat.add_left_comm", "intro n m k\nac_rfl"),
        ("Nat.le_total", "intro a b\ngrind"),
        ("Nat.le_total", "have : Inhabited Nat := inferInstance\nintro a b\nomega"),
        ("Nat.succ_ne_zero", "intros\nsimp"),
        ("Option.or_assoc", "intro α a b c\ncases a <;> cases b <;> rfl"),
        ("Fin.le_total", "intro n a b\nexact Nat.le_total a b"),
        ("Int.mul_assoc", "intro a b c\ngrind"),
        ("Int.add_comm", "let i : Inhabited Int := inferInstance\nintro a b\nomega"),
        ("List.map_id'", "intros\nsimp"),
        ("iff_iff_eq", "intros\nsimp"),
    ],
)
async def test_a_library_theorem_may_be_proved_by_others(
    certifier: Certifier, chosen_lean: ChosenLean, library_name: str, proof: str, tally: Tally
) -> None:
    result = await certifier.certify(Theorem(name="t", copy_from=library_name), [proof])
    _is_certified(chosen_lean, tally, library_name, result)


@pytest.mark.parametrize("name", [name for name in CONTROLS if "where" not in name and "recursion" not in name])
async def test_a_search_may_use_it_too(lean_pool: LeanPool, chosen_lean: ChosenLean, name: str) -> None:
    statement, proof, header = CONTROLS[name]
    if "(" in header and not chosen_lean.is_ours:
        pytest.skip("plain Pantograph has only the text to look at, and more is refused")
    async with lean_pool.open(Theorem(name=name, statement=statement, header=header)) as session:
        outcome = await session.run_tactic(session.root, proof)
        assert isinstance(outcome, ProofFinished), outcome
