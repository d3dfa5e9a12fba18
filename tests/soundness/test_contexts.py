"""What a theorem's context may do, and what a certificate then says. Attacks on it are in ``context_attacks.py``."""

from __future__ import annotations

import pytest

from leanebm.core import Certificate, CertificationRejected, ProofFinished, Theorem
from leanebm.lean import Certifier, LeanPool

from .context_attacks import ASKED_CONTEXT, OTHER_CONTEXTS, OtherContext
from .tally import Tally

pytestmark = [pytest.mark.lean, pytest.mark.usefixtures("our_repl")]

_TREE = """\
inductive Tree (α : Type) where
  | leaf
  | node (left : Tree α) (value : α) (right : Tree α)
deriving Repr, DecidableEq

def Tree.size : Tree α → Nat
  | .leaf => 0
  | .node l _ r => l.size + 1 + r.size

/-- The same tree, seen in a mirror. -/
def Tree.mirror : Tree α → Tree α
  | .leaf => .leaf
  | .node l x r => .node r.mirror x l.mirror
"""

CONTROLS = {
    "a definition": ("def double (n : Nat) := n + n", "∀ n, double n = 2 * n", "intro n; unfold double; omega"),
    "a lemma": (
        "theorem half (n : Nat) : n + n = 2 * n := by omega",
        "∀ n : Nat, n + n + 1 = 2 * n + 1",
        "intro n; rw [half]",
    ),
    "a type and functions on it": (
        _TREE,
        "(t : Tree Nat) : t.mirror.size = t.size",
        "induction t with\n| leaf => rfl\n| node l x r hl hr => simp only [Tree.mirror, Tree.size, hl, hr]; omega",
    ),
    "what the library computes": (
        "def sums (xs : List Nat) : List Nat := xs.map fun x => (List.range x).foldl (· + ·) 0",
        "sums [3, 4] = [3, 6]",
        "rfl",
    ),
    "a class and variables": (
        (
            "class Magma (α : Type u) where\n  mul : α → α → α\nvariable {α : Type u} [Magma α]\n"
            'local infixl:70 " ⋆ " => Magma.mul\ndef IsUnit (e : α) : Prop := ∀ a : α, e ⋆ a = a ∧ a ⋆ e = a'
        ),
        "(e f : α) (he : IsUnit e) (hf : IsUnit f) : e = f",
        "rw [← (hf e).2, (he f).1]",
    ),
    "a hypothesis by include": ("variable (n : Nat) (h : 0 < n)\ninclude h", "n ≠ 0", "omega"),
    "variables that nothing declares": (
        "set_option autoImplicit true",
        "(xs : List α) (f : α → β) : (xs.map f).length = xs.length",
        "simp",
    ),
    "universes that nothing declares": (
        "variable {α : Type u} (a : α)",
        "∀ b : α, a = b → b = a",
        "intro b h; exact h.symm",
    ),
    "a namespace that stays open": ("namespace A.B\ndef one := 1", "one = 1 ∧ A.B.one = 1", "exact ⟨rfl, rfl⟩"),
    "a section that ends": ("section\nvariable (n : Nat)\ndef succ' := n + 1\nend", "succ' 1 = 2", "rfl"),
    "a mutual block": (
        (
            "mutual\ndef even : Nat → Bool\n  | 0 => true\n  | n + 1 => odd n\n"
            "def odd : Nat → Bool\n  | 0 => false\n  | n + 1 => even n\nend"
        ),
        "even 4 = true",
        "rfl",
    ),
    "types that are made of each other": (
        (
            "inductive Rose where\n  | node (children : List Rose)\n"
            "mutual\ndef Rose.size : Rose → Nat\n  | .node rs => sizes rs + 1\n"
            "def sizes : List Rose → Nat\n  | [] => 0\n  | r :: rs => r.size + sizes rs\nend\n"
            "mutual\ninductive Left where\n  | leaf\n  | of (r : Right)\ninductive Right where\n  | of (l : Left)\nend"
        ),
        "(Rose.node [.node []]).size = 2 ∧ ∀ l m : Left, Left.of (.of l) = .of (.of m) → l = m",
        "exact ⟨rfl, fun l m h => by injection h with h; injection h⟩",
    ),
    "recursion that ends for a reason": (
        "def log (n : Nat) : Nat := if h : n ≤ 1 then 0 else log (n / 2) + 1\ntermination_by n\ndecreasing_by omega",
        "log 2 = 1",
        "simp [log]",
    ),
    "a noncomputable section": (
        "noncomputable section\nopen Classical\ndef pick (p : Prop) : Nat := if p then 1 else 0",
        "pick True = 1",
        "simp [pick]",
    ),
    "a solution that is given": ("noncomputable abbrev solution : Nat → Prop := fun n => n = 2", "solution 2", "rfl"),
    "a notation": ('notation:50 a " ≣ " b => a = b', "(1 : Nat) ≣ 1", "rfl"),
    "an attribute": ("def z := 0\n@[simp] theorem z_eq : z = 0 := rfl", "∀ n, n + z = n", "simp"),
    "a private definition": ("private def p := 3", "p = 3", "rfl"),
    "a deep recursion": (
        "set_option maxRecDepth 10000\ndef deep : Nat → Prop\n  | 0 => True\n  | n + 1 => 0 = 0 ∧ deep n",
        "deep 300",
        "repeat (first | exact trivial | refine ⟨rfl, ?_⟩)",
    ),
    "settings": (
        "set_option maxRecDepth 1000\nset_option maxHeartbeats 400000\nset_option pp.all true",
        "1 = 1",
        "rfl",
    ),
    "a structure with a proof": (
        "structure Even where\n  n : Nat\n  h : n % 2 = 0 := by decide\ndef four : Even := { n := 4 }",
        "four.n = 4",
        "rfl",
    ),
    "an opaque value": ("opaque secret : Nat := 3", "secret = secret", "rfl"),
    "comments": ("/-! A file. -/\n\n-- def x := sorry\n/- axiom y : False -/\ndef x := 1 -- one", "x = 1", "rfl"),
    "a word in a string": ('def x := "axiom sorry #eval run_cmd"', "x = x", "rfl"),
    "an example": ("example : 1 = 1 := rfl", "1 = 1", "rfl"),
    "an abbreviation for a type": ("abbrev Vec (n : Nat) := Fin n → Nat", "∀ v : Vec 2, v 0 = v 0", "intro v; rfl"),
    "a derived instance": (
        "inductive C | r | g deriving DecidableEq\nderiving instance BEq for C",
        "C.r ≠ C.g",
        "decide",
    ),
}


def _theorem(name: str) -> Theorem:
    context, statement, _ = CONTROLS[name]
    return Theorem(name=name, statement=statement, context=context)


@pytest.mark.parametrize("name", CONTROLS)
async def test_an_honest_context_is_accepted(certifier: Certifier, name: str, tally: Tally) -> None:
    result = await certifier.certify(_theorem(name), [CONTROLS[name][2]])
    tally.control(name, is_proved=isinstance(result, Certificate))
    assert isinstance(result, Certificate), result.message
    assert result.theorem.context in result.source


@pytest.mark.parametrize("name", CONTROLS)
async def test_a_search_may_start_there(lean_pool: LeanPool, name: str) -> None:
    async with lean_pool.open(_theorem(name)) as session:
        outcome = await session.run_tactic(session.root, CONTROLS[name][2])
        assert isinstance(outcome, ProofFinished), outcome


@pytest.mark.parametrize("other", OTHER_CONTEXTS, ids=lambda other: other.id)
async def test_a_file_with_another_context_proves_something_else(
    certifier: Certifier, other: OtherContext, tally: Tally
) -> None:
    theorem = Theorem(name="t", statement="two = 2", context=ASKED_CONTEXT)
    honest = await certifier.certify_text(theorem, f"{ASKED_CONTEXT}\ntheorem t : two = 2 := by\n  rfl\n", name="t")
    assert isinstance(honest, Certificate)
    result = await certifier.certify_text(theorem, other.text, name="t")
    tally.attack(f"context: {other.id}", getattr(result, "reason", None))
    assert isinstance(result, CertificationRejected)
    assert result.reason == other.reason, result.message


async def _certificate(certifier: Certifier, statement: str, proof: str, context: str) -> Certificate:
    result = await certifier.certify(Theorem(name="t", statement=statement, context=context), [proof])
    assert isinstance(result, Certificate), result.message
    return result


@pytest.mark.parametrize(
    ("context", "statement", "proof", "certified"),
    [
        ("variable (h : False)\ninclude h", "1 = 2", "exact h.elim", "False → 1 = 2"),
        ("variable {p : Prop} (h : p)", "p → p ∧ p", "exact fun h => ⟨h, h⟩", "∀ {p : Prop}, p → p ∧ p"),
        ("variable (h : 1 = 2)", "(n : Nat) : n = n", "rfl", "∀ (n : Nat), n = n"),
        (
            "variable {α : Type} [Inhabited α]",
            "∃ a : α, a = default",
            "exact ⟨_, rfl⟩",
            "∀ {α : Type} [inst : Inhabited α], ∃ (a : α), a = default",
        ),
        ('notation "⊥" => True', "⊥", "trivial", "⊥"),
        ("namespace A\ndef False := True", "False", "trivial", "False"),
        ("abbrev Goal := (1 = 1)", "Goal", "rfl", "Goal"),
    ],
)
async def test_what_a_context_makes_of_a_statement_is_in_its_certificate(
    certifier: Certifier, context: str, statement: str, proof: str, certified: str
) -> None:
    certificate = await _certificate(certifier, statement, proof, context)
    assert certificate.statement == certified
    assert certificate.theorem.context == context
    assert context in certificate.source


@pytest.mark.parametrize(
    ("statement", "proof", "one", "other"),
    [
        ("x = x", "rfl", "def x := 1", "def x := 2"),
        ("x = x", "rfl", "def x : Nat := 1", "def x : Int := 1"),
        ("x = x", "rfl", "def y := 1\ndef x := y", "def y := 2\ndef x := y"),
        ("x = x", "rfl", "def x : Nat := 1", "abbrev y : Nat := 1\ndef x : Nat := y"),
        ("x = x", "rfl", "opaque x : Nat := 1", "def x : Nat := 1"),
        ("∀ a : T, a = a", "intro a; rfl", "inductive T | a", "inductive T | a | b"),
        ("∀ a : T, a = a", "intro a; rfl", "structure T where\n  a : Nat", "structure T where\n  a : Int"),
        ("(default : Nat) = default", "rfl", "", "instance : Inhabited Nat := ⟨1⟩"),
        ("(default : Nat) = default", "rfl", "instance : Inhabited Nat := ⟨2⟩", "instance : Inhabited Nat := ⟨1⟩"),
        ("⊥ = ⊥", "rfl", 'notation "⊥" => 1', 'notation "⊥" => 2'),
        ("(1 : Nat) = 1", "rfl", "", "instance : OfNat Nat 1 := ⟨0⟩"),
    ],
)
async def test_a_fingerprint_covers_what_a_statement_is_made_of(
    certifier: Certifier, statement: str, proof: str, one: str, other: str
) -> None:
    first, same, changed = [
        (await _certificate(certifier, statement, proof, context)).fingerprint for context in (one, one + "\n", other)
    ]
    assert first == same != changed


async def test_a_fingerprint_does_not_cover_what_it_is_not_made_of(certifier: Certifier) -> None:
    contexts = ("def x := 1", "-- one\ndef x := 1\ndef y := 2", "def x := 1\ntheorem l : x = 1 := rfl")
    fingerprints = {(await _certificate(certifier, "x = x", "rfl", context)).fingerprint for context in contexts}
    assert len(fingerprints) == 1
    plain = {(await _certificate(certifier, "1 = 1", "rfl", context)).fingerprint for context in ("", *contexts)}
    assert len(plain) == 1
