"""Attacks by what stands in front of a theorem, and files that replace it."""

from __future__ import annotations

import attrs

from .attack import NAME, Attack, Step

R, N = Step.REFUSED, Step.NO_STATEMENT

_RUNS_CODE = {
    "#eval": '#eval IO.println "{}"',
    "#eval in a section": "section\n#eval 1\nend",
    "#print axioms": "#print axioms Nat.add_comm",
    "#exit": "#exit",
    "#guard_msgs": "#guard_msgs in\ndef x := 1",
    "#eval after open … in": "open Nat in\n#eval 1",
    "#eval after set_option … in": "set_option maxRecDepth 100 in\n#eval 1",
    "run_cmd": "run_cmd pure ()",
    "run_elab": "run_elab pure ()",
    "run_meta": "run_meta pure ()",
    "initialize": 'initialize IO.println "{}"',
    "builtin_initialize": "builtin_initialize pure ()",
    "elab": 'elab "x" : tactic => Lean.Elab.Tactic.setGoals []',
    "elab_rules": "elab_rules : tactic | `(tactic| rfl) => Lean.Elab.Tactic.setGoals []",
    "macro": 'macro "x" : tactic => `(tactic| sorry)',
    "macro_rules": "local macro_rules | `(tactic| rfl) => `(tactic| sorry)",
    "syntax": 'syntax "x" : tactic',
    "syntax category": "declare_syntax_cat x",
    "simproc": "simproc x (1) := fun _ => pure .continue",
    "a unification hint": "unif_hint x (a : Nat) where a ≟ 2 ⊢ 1 ≟ a",
    "a documentation of something else": "/-- x -/ add_decl_doc Nat",
    "an import": "import Lean",
    "by_elab": "def x : Nat := by_elab return Lean.mkNatLit 1",
    "run_tac": "theorem x : 1 = 1 := by run_tac pure ()",
    "include_str": 'def x := include_str "/etc/passwd"',
    "code in a setting": 'theorem x : 1 = 1 := by simp (config := dbgTrace "{}" fun _ => {})',
    "code in a notation": 'notation "x" => by_elab return Lean.mkNatLit 1',
    "code in a default": "structure S where\n  x : 1 = 1 := by run_tac pure ()",
    "code in a variable": "variable (x : 1 = 1 := by run_tac pure ())",
    "an implementation": "@[implemented_by Nat.sub] def x (a b : Nat) := a + b",
    "an implementation, later": "def x (a b : Nat) := a + b\nattribute [implemented_by Nat.sub] x",
    "an implementation, locally": "def x (a b : Nat) := a + b\nattribute [local implemented_by Nat.sub] x",
    "C code": '@[extern "x"] def x (a b : Nat) := a + b',
    "C code behind a plain attribute": '@[simp, extern "x"] def x (a b : Nat) := a + b',
    "a name for C": "@[export lean_nat_add] def x (a b : Nat) := a - b",
    "an initial value": "@[init] def x : IO Unit := pure ()",
    "a rule of the compiler's": "@[csimp] theorem x : @Nat.add = @Nat.add := rfl",
    "an elaborator": "@[term_elab app] def x : Lean.Name := `x",
    "a handler that prints": "@[app_unexpander Eq] def x : Lean.Name := `x",
    "native_decide": "theorem x : 1 = 1 := by native_decide",
    "ofReduceBool": "theorem x : 1 = 1 := of_decide_eq_true (Lean.ofReduceBool _ _ rfl)",
}

_BELIEVED = {
    "an axiom": "axiom x : 1 = 2",
    "a private axiom": "private axiom x : 1 = 2",
    "an axiom with an attribute": "@[simp] axiom x : 1 = 2",
    "an axiom in a section": "section\naxiom x : 1 = 2\nend",
    "an axiom after open … in": "open Nat in axiom x : 1 = 2",
    "an axiom behind two of them": "open Nat in\nset_option maxRecDepth 100 in\naxiom x : 1 = 2",
    "an axiom on another's line": "def y := 1 axiom x : 1 = 2",
    "an opaque constant": "opaque x : Nat",
    "an unsafe definition": "unsafe def x : 1 = 2 := lcProof",
    "an unsafe instance": "unsafe instance x : Decidable False := .isTrue lcProof",
    "a partial function": "partial def x (n : Nat) : Nat := x (n + 1)",
    "a partial instance": "partial instance x : Inhabited Nat := x",
    "the kernel, left out": "set_option debug.skipKernelTC true",
    "the kernel, left out in one place": "set_option debug.skipKernelTC true in\ntheorem x : 1 = 1 := rfl",
    "the kernel, left out in a proof": "theorem x : 1 = 1 := by\n  set_option debug.skipKernelTC true in\n  rfl",
    "the kernel, left out in a term": "def x : Nat := set_option debug.skipKernelTC true in 1",
    "sorries without a warning": "set_option warn.sorry false\ntheorem x : 1 = 2 := sorry",
    "a stack without an end": "set_option maxRecDepth 1000000",
    "a stack without an end, in one place": "set_option maxRecDepth 10001 in\ndef x := 1",
    "proofs for later": "set_option Elab.async true",
    "a setting of the compiler's": "set_option compiler.extract_closed false",
}

_LEFT_OUT = {
    "a value": "def x : Nat := sorry",
    "a value, as in PutnamBench": "noncomputable abbrev x : Nat → Nat := sorry",
    "a lemma": "theorem x : 1 = 2 := by sorry",
    "a lemma, by sorryAx": "theorem x : 1 = 2 := sorryAx _ false",
    "a lemma, by a synthetic sorryAx": "theorem x : 1 = 2 := sorryAx _ true",
    "a lemma behind a definition": "def y (p : Prop) : p := sorry\ntheorem x : 1 = 2 := y _",
    "an instance": "instance x : Decidable False := .isTrue sorry",
    "a field": "structure S where\n  x : Nat := sorry",
    "a termination proof": "def x (n : Nat) : Nat := x (n + 1)\ntermination_by n\ndecreasing_by sorry",
    "an example": "example : 1 = 2 := sorry",
    "a lemma among lemmas": "theorem y : 1 = 1 := rfl\ntheorem x : 1 = 2 := by\n  admit",
}

# The statement is true, and the proof is one: only the context stands in its way.
_MISTAKES = {
    "an error": 'def x : Nat := "one"',
    "an error before a good command": 'def x : Nat := "one"\ndef y : Nat := 1',
    "an error in a proof": "theorem x : 1 = 2 := rfl",
    "an error in a proof, hidden by a section": "section\ntheorem x : 1 = 2 := by simp\nend",
    "an instance that is not there": "instance x : Inhabited Empty := inferInstance",
    "a namespace that is not there": "open Nowhere",
    "an attribute's error": "@[simp] def x := 1\nattribute [simp] y",
    "an error under a deriving": "structure S where\n  f : Nat → Nat\nderiving DecidableEq",
    "a numeral's notation": 'local notation "1" => 2',
    "a second end": "end",
    "an end of what is not open": "namespace A\nend B",
    "an open comment": "/-",
    "an open comment after a definition": "def x := 1 /- and",
    "an open documentation": "/-- x",
    "a documentation of what follows": "/-- x -/",
    "an attribute of what follows": "@[simp]",
    "half a command": "open",
    "half a definition": "def x : Nat :=",
    "an open … in for what follows": "open Nat in",
    "a private for what follows": "private",
    "an open string": 'def x := "',
    "an open bracket": "def x := (1",
    "a private name of the library": "open private Nat.add from Init",
    "a name of the library": "def Nat.add_comm : 1 = 1 := rfl",
    "a type of the library": "inductive Nat | one",
    "an inductive type that is none": "inductive x | mk (f : x → False)",
    "a function without an end": "def x (n : Nat) : Nat := x (n + 1)",
    "a false instance by a loop": "theorem x : 1 = 2 := x",
}

_WITHOUT_EFFECT = {
    "the theorem's own name": (f"theorem leanebm_{NAME} : 1 = 1 := rfl", f"exact leanebm_{NAME}"),
    "the theorem's own name, as a definition": (f"def leanebm_{NAME} : 1 = 1 := rfl", f"exact leanebm_{NAME}"),
    "a variable that nothing mentions": ("variable (h : False)", "exact h.elim"),
    "a variable that is left out again": ("variable (h : False)\ninclude h\nomit h", "exact h.elim"),
    "a variable of a section that has ended": ("section\nvariable (h : False)\ninclude h\nend", "exact h.elim"),
    "a theorem of the same name elsewhere": (
        f"namespace Y\ntheorem leanebm_{NAME} : 1 = 1 := rfl\nend Y\nopen Y",
        f"exact leanebm_{NAME}",
    ),
    "a theorem of the same name below": (
        f"namespace leanebm_{NAME}\ntheorem x : 1 = 1 := rfl\nend leanebm_{NAME}",
        f"exact leanebm_{NAME}.x",
    ),
    "a lemma that is marked as true": ("@[simp] theorem x (h : 1 = 2) : True := trivial", "simp"),
    "a class that promises": ("class Absurd where\n  h : 1 = 2", "exact Absurd.h"),
    "a false assumption in a structure": ("structure S where\n  h : 1 = 2", "exact S.h ⟨_⟩"),
    "an instance that decides wrongly": (
        "instance (p : Prop) : Inhabited (Decidable p) := ⟨Classical.propDecidable p⟩",
        "decide",
    ),
    "another two in a section that has ended": ("section\nlocal instance : OfNat Nat 2 := ⟨1⟩\nend", "rfl"),
}


def _attacks(
    reason: str, contexts: dict[str, str], *, statement: str = "1 = 2", proof: str = "exact x"
) -> list[Attack]:
    return [
        Attack("context", name, proof, reason, N, statement=statement, context=context)
        for name, context in contexts.items()
    ]


CONTEXT_ATTACKS = [
    *_attacks("forbidden", _RUNS_CODE),
    *_attacks("forbidden", _BELIEVED),
    *_attacks("sorry", _LEFT_OUT),
    *_attacks("elaboration", _MISTAKES, statement="1 = 1", proof="rfl"),
    *(
        Attack("context", name, proof, "elaboration", R, context=context)
        for name, (context, proof) in _WITHOUT_EFFECT.items()
    ),
]


@attrs.frozen
class OtherContext:
    """A file whose context is not the one that was asked for. Its theorem is ``theorem t : two = 2 := by rfl``."""

    id: str
    text: str
    reason: str


ASKED_CONTEXT = "def two : Nat := 1 + 1\n\nnamespace A\n\ninstance : Inhabited Nat := ⟨two⟩"

_T = "theorem t : two = 2 := by\n  rfl\n"

OTHER_CONTEXTS = [
    OtherContext("none", "theorem t : 1 + 1 = 2 := by\n  rfl\n", "forbidden"),
    OtherContext("another value", ASKED_CONTEXT.replace("1 + 1", "2") + "\n" + _T, "forbidden"),
    OtherContext("another name", ASKED_CONTEXT.replace("two", "zwei") + "\n" + _T.replace("two", "zwei"), "forbidden"),
    OtherContext("one command less", ASKED_CONTEXT.partition("\n\ninstance")[0] + "\n" + _T, "forbidden"),
    OtherContext("one command more", ASKED_CONTEXT + "\ndef three := 3\n" + _T, "forbidden"),
    OtherContext("one lemma more", ASKED_CONTEXT + "\ntheorem x : two = 2 := rfl\n" + _T, "forbidden"),
    OtherContext("an axiom more", ASKED_CONTEXT + "\naxiom x : two = 2\n" + _T, "forbidden"),
    OtherContext("a setting more", "set_option maxRecDepth 1000\n" + ASKED_CONTEXT + "\n" + _T, "forbidden"),
    OtherContext("twice", "namespace B\n" + ASKED_CONTEXT + "\n" + _T, "forbidden"),
    OtherContext("after the theorem", _T.replace("two", "(1 + 1)") + ASKED_CONTEXT, "forbidden"),
    OtherContext(
        "around the theorem", ASKED_CONTEXT.replace("\n\nnamespace", "\n\n" + _T + "\nnamespace"), "forbidden"
    ),
    OtherContext("one end more", ASKED_CONTEXT + "\nend A\n" + _T, "forbidden"),
    OtherContext("two theorems", ASKED_CONTEXT + "\n" + _T + _T, "elaboration"),
    OtherContext("another statement", ASKED_CONTEXT + "\n" + _T.replace("= 2", "= 1 + 1"), "type_mismatch"),
]
