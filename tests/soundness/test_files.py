"""Attacks by whole files, and by proofs that are written into them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
import pytest
from chosen_lean import ChosenLean

from leanebm.core import Certificate, CertificationRejected, Theorem
from leanebm.lean import Certifier, LeanPool
from leanebm.lean.files import FileRefused, FileSorries, LeanFiles
from leanebm.pipeline.fill.in_place import InPlaceCertifier

from .tally import Tally

pytestmark = [pytest.mark.lean, pytest.mark.usefixtures("our_repl")]


@attrs.frozen
class FileAttack:
    """A file whose theorem ``t`` has not been proved."""

    id: str
    text: str
    reasons: str
    """Why it is rejected: one of these."""

    original: str | None = None


FILES = [
    FileAttack("an axiom", "axiom c : 1 = 2\ntheorem t : 1 = 2 := c", "forbidden axioms"),
    FileAttack(
        "an axiom in a namespace", "namespace A\naxiom t : 1 = 2\nend A\ntheorem t : 1 = 2 := A.t", "forbidden axioms"
    ),
    FileAttack("a constant", "opaque c : 1 = 2\ntheorem t : 1 = 2 := c", "forbidden elaboration"),
    FileAttack("sorry is a macro", 'macro "sorry" : term => `(trivial)\ntheorem t : 1 = 2 := sorry', "forbidden"),
    FileAttack(
        "rfl is a macro", "macro_rules | `(tactic| rfl) => `(tactic| sorry)\ntheorem t : 1 = 2 := by rfl", "forbidden"
    ),
    FileAttack(
        "theorem is a macro", 'macro "theorem" n:ident : command => `(axiom $n : False)\ntheorem t', "forbidden"
    ),
    FileAttack("a syntax rule", 'syntax "qed" : tactic\nmacro_rules | `(tactic| qed) => `(tactic| sorry)', "forbidden"),
    FileAttack("an elaborator", 'elab "qed" : tactic => pure ()\ntheorem t : 1 = 2 := by qed', "forbidden elaboration"),
    FileAttack(
        "an attribute", "@[implemented_by Nat.add] def f (a b : Nat) := a\ntheorem t : 1 = 2 := by decide", "forbidden"
    ),
    FileAttack("a compiled proof", "theorem t : 1 = 2 := by native_decide", "forbidden"),
    FileAttack("a compiled proof by its name", "theorem t : 1 = 2 := Lean.ofReduceBool _ _ rfl", "forbidden"),
    FileAttack("the kernel left out", "set_option debug.skipKernelTC true\ntheorem t : 1 = 2 := rfl", "forbidden"),
    FileAttack("code that runs", 'run_cmd Lean.logInfo m!""\ntheorem t : 1 = 2 := rfl', "forbidden"),
    FileAttack("code that is evaluated", "#eval 1\ntheorem t : 1 = 2 := rfl", "forbidden"),
    FileAttack("code at the start", "initialize pure ()\ntheorem t : 1 = 2 := rfl", "forbidden"),
    FileAttack("a hidden sorry", "def c : 1 = 2 := sorry\ntheorem t : 1 = 2 := c", "sorry"),
    FileAttack(
        "a sorry in a class",
        "instance c : Inhabited (PLift (1 = 2)) := sorry\ntheorem t : 1 = 2 := c.default.down",
        "sorry",
    ),
    FileAttack(
        "a sorry in a structure",
        "structure S where\n  h : 1 = 2 := sorry\ntheorem t : 1 = 2 := (S.mk sorry).h",
        "sorry",
    ),
    FileAttack(
        "a sorry two lemmas down", "theorem a : 1 = 2 := sorry\ntheorem b : 1 = 2 := a\ntheorem t : 1 = 2 := b", "sorry"
    ),
    FileAttack("a sorry by another name", "theorem t : 1 = 2 := sorryAx _ true", "sorry"),
    FileAttack("a sorry in a where clause", "theorem t : 1 = 2 := go\nwhere go : 1 = 2 := sorry", "sorry"),
    FileAttack("a sorry in the statement", "theorem t : (sorry : Prop) := sorry", "sorry"),
    FileAttack("a sorry in a notation", 'notation "qed" => (sorry : 1 = 2)\ntheorem t : 1 = 2 := qed', "sorry"),
    FileAttack("sorry is a notation", 'notation "sorry" => rfl\ntheorem t : 1 = 2 := sorry', "sorry elaboration"),
    FileAttack("a sorry in a setting", "set_option warn.sorry false in\ntheorem t : 1 = 2 := sorry", "forbidden sorry"),
    FileAttack(
        "a sorry in an example's helper",
        "def c : 1 = 2 := sorry\nexample : 1 = 2 := c\ntheorem t : 1 = 2 := c",
        "sorry",
    ),
    FileAttack("an example by its name", "example : 1 = 2 := sorry\ntheorem t : 1 = 2 := «example 1»", "elaboration"),
    FileAttack("each by the other", "mutual\ntheorem t : 1 = 2 := u\ntheorem u : 1 = 2 := t\nend", "elaboration"),
    FileAttack("by itself", "theorem t (n : Nat) : 1 = 2 := t n", "elaboration"),
    FileAttack("unsafe", "unsafe def c : 1 = 2 := lcProof\ntheorem t : 1 = 2 := c", "forbidden elaboration"),
    FileAttack("partial", "partial def c (n : Nat) : 1 = 2 := c n\ntheorem t : 1 = 2 := c 0", "forbidden elaboration"),
    FileAttack(
        "a type that is not positive",
        "inductive B where | mk : (B → False) → B\ntheorem t : 1 = 2 := nofun",
        "elaboration",
    ),
    FileAttack("an error before it", "open Nowhere\ntheorem t : 1 = 1 := rfl", "elaboration"),
    FileAttack("an error after it", "theorem t : 1 = 1 := rfl\ntheorem u : 1 = 2 := rfl", "elaboration"),
    FileAttack("a text after an end", "theorem t : 1 = 1 := rfl\nend", "elaboration"),
    FileAttack("another statement", "theorem t : 1 = 1 := rfl", "type_mismatch", "theorem t : 1 = 2 := sorry"),
    FileAttack("another name", "theorem t : 1 = 1 := rfl", "type_mismatch", "theorem s : 1 = 1 := sorry"),
    FileAttack(
        "another namespace",
        "theorem t : 1 = 1 := rfl",
        "type_mismatch",
        "namespace A\ntheorem t : 1 = 1 := sorry\nend A",
    ),
    FileAttack(
        "another definition",
        "def f := 2\ntheorem t : f = 2 := rfl",
        "type_mismatch",
        "def f := 1\ntheorem t : f = 2 := sorry",
    ),
    FileAttack(
        "another type",
        "inductive B where | a | b\ntheorem t (x : B) : x = x := rfl",
        "type_mismatch",
        "inductive B where | a\ntheorem t (x : B) : x = x := rfl",
    ),
    FileAttack(
        "another variable",
        "variable (h : 1 = 2)\ninclude h\ntheorem t : 1 = 2 := h",
        "type_mismatch",
        "theorem t : 1 = 2 := sorry",
    ),
    FileAttack(
        "another instance",
        "instance : OfNat Nat 2 := ⟨1⟩\ntheorem t : (1 : Nat) = 2 := rfl",
        "type_mismatch",
        "theorem t : (1 : Nat) = 2 := sorry",
    ),
    FileAttack(
        "another notation",
        'notation "two" => 1\ntheorem t : 1 = two := rfl',
        "type_mismatch forbidden",
        'notation "two" => 2\ntheorem t : 1 = two := sorry',
    ),
]


def _id(attack: FileAttack) -> str:
    return attack.id


@pytest.mark.parametrize("attack", FILES, ids=_id)
async def test_a_file_proves_nothing_that_it_does_not(certifier: Certifier, attack: FileAttack, tally: Tally) -> None:
    found = await certifier.certify_file(attack.text + "\n", original=attack.original)
    if isinstance(found, FileRefused):
        reason: str | None = found.reason
    else:
        results = [verdict.result for verdict in found.theorems if verdict.name.split(".")[-1] == "t"]
        reasons = [result.reason for result in results if isinstance(result, CertificationRejected)]
        reason = reasons[0] if len(reasons) == len(results) and reasons else None
    tally.attack(f"files: {attack.id}", reason)
    assert reason in attack.reasons.split()


async def test_a_theorem_under_a_variable_says_so(certifier: Certifier) -> None:
    found = await certifier.certify_file("variable (h : 1 = 2)\ninclude h\ntheorem t : 1 = 2 := h\n")
    assert not isinstance(found, FileRefused)
    (verdict,) = found.theorems
    assert isinstance(verdict.result, Certificate)
    assert verdict.result.statement == "1 = 2 → 1 = 2"


@pytest.mark.parametrize(
    ("front", "said", "proof", "statement"),
    [
        ('open Nat in notation "(0=1)" => True', "True", "trivial", "True"),
        ('set_option pp.all false in open Nat in notation "p" => True', "True", "trivial", "True"),
        ('set_option pp.all false in infixl:50 " = " => Nat.le', "Nat.le 1 2", "Nat.le.step Nat.le.refl", "Nat.le 1 2"),
        ('namespace A\nopen Nat in local prefix:max "¬¬" => Not', "Not False", "id", "Not False"),
        ("@[coe] def f (p : Prop) : Prop := p ∨ True", "f False", "Or.inr trivial", "f False"),
        ("def f (p : Prop) : Prop := p ∨ True\nopen Nat in attribute [coe] f", "f False", "Or.inr trivial", "f False"),
        ("def f (p : Prop) : Prop := p ∨ True\nattribute [coe] f in", "f False", "Or.inr trivial", "f False"),
    ],
)
async def test_nothing_is_printed_as_the_file_would_have_it(
    certifier: Certifier, front: str, said: str, proof: str, statement: str
) -> None:
    found = await certifier.certify_file(f"{front}\ntheorem t : {said} := {proof}\n")
    assert not isinstance(found, FileRefused)
    (verdict,) = found.theorems
    assert isinstance(verdict.result, Certificate)
    assert verdict.result.statement == statement


async def test_theorems_of_one_name_are_told_apart(certifier: Certifier) -> None:
    text = "namespace A\ntheorem t : 1 = 2 := sorry\nend A\nprivate theorem t : 1 = 1 := rfl\n"
    found = await certifier.certify_file(text)
    assert not isinstance(found, FileRefused)
    assert [(verdict.name, verdict.is_certified) for verdict in found.theorems] == [("A.t", False), ("t", True)]


# --- proofs that are written into a file ---

_FILE = """namespace A
theorem before : 3 = 3 := sorry
theorem t (n : Nat) : n = n + 1 := by
  sorry
theorem after : 1 = 2 := sorry
end A
"""

INTO = [
    "sorry",
    "admit",
    "exact sorryAx _ true",
    "exact A.t n",
    "exact t n",
    "exact absurd after (by decide)",
    "simp [t]",
    "native_decide",
    "skip",
    "stop",
    "omega\n",
    "rfl\nend A\nnamespace A",
    "exact?\nend A\naxiom c : ∀ n : Nat, n = n + 1\nnamespace A",
    "exact c n\naxiom c : ∀ n : Nat, n = n + 1",
    "trivial\ntheorem u : True := by trivial",
    "simp\n/-",
    "-/ rfl",
    "/- -/",
    "-- nothing",
    "exact (by sorry)",
    "have : n = n + 1 := by\n  sorry\nexact this",
    "exact go\nwhere go : n = n + 1 := sorry",
    "exact t n\ntermination_by 0",
    "exact t n\ndecreasing_by all_goals sorry",
    "set_option debug.skipKernelTC true in rfl",
    "open Lean in run_tac pure ()",
    "exact (fun {α} (a : α) => a) sorry",
    "first | rfl | sorry",
    "as_aux_lemma => sorry",
    "let rec go : n = n + 1 := go\nexact go",
    "· sorry",
    "exact ⟨⟩\n\n\nvariable (h : False)",
    'nofun\nmacro "x" : tactic => `(tactic| sorry)',
    "rfl)",
    "cases n <;> sorry",
    "#eval 1",
]


@pytest.fixture(scope="module")
async def files(chosen_lean: ChosenLean, certifier: Certifier) -> AsyncIterator[LeanFiles]:
    async with LeanPool(chosen_lean.config(num_workers=1)) as pool:
        yield LeanFiles(pool, certifier)


async def _in_place(files: LeanFiles, text: str, name: str) -> InPlaceCertifier:
    known = await files.sorries(text)
    assert isinstance(known, FileSorries)
    (theorem,) = [theorem for theorem in known.theorems if theorem.name == name]
    (sorry,) = theorem.sorries
    return InPlaceCertifier(
        files=files, source=text, known=known, theorem=theorem, sorry=sorry, filled=(), num_filled=0
    )


@pytest.mark.parametrize("tactic", INTO)
async def test_no_text_takes_the_place_of_a_proof(files: LeanFiles, tactic: str, tally: Tally) -> None:
    certifier = await _in_place(files, _FILE, "A.t")
    result = await certifier.certify(Theorem(name="t", statement="p"), [tactic])
    reason = result.reason if isinstance(result, CertificationRejected) else None
    tally.attack(f"fill: {tactic}", reason)
    assert certifier.edit is None
    assert reason == "in_place"


async def test_a_proof_takes_the_place_of_a_sorry(files: LeanFiles) -> None:
    text = _FILE.replace("n = n + 1", "n + 0 = n")
    certifier = await _in_place(files, text, "A.t")
    result = await certifier.certify(Theorem(name="t", statement="p"), ["cases n", "· rfl", "· rfl"])
    assert isinstance(result, Certificate)
    assert certifier.edit is not None
    assert certifier.edit.text == "cases n\n  · rfl\n  · rfl"


@pytest.mark.parametrize(
    "tactic",
    [
        "rfl\nend A\nnamespace A",
        "rfl\ntheorem u : True := trivial",
        "rfl\nexample : True := trivial",
        "rfl\nvariable (m : Nat)",
    ],
)
async def test_a_proof_takes_no_more_than_the_place_of_a_sorry(files: LeanFiles, tactic: str, tally: Tally) -> None:
    certifier = await _in_place(files, _FILE.replace("n = n + 1", "n + 0 = n"), "A.t")
    result = await certifier.certify(Theorem(name="t", statement="p"), [tactic])
    tally.attack(f"fill: more than {tactic}", result.reason if isinstance(result, CertificationRejected) else None)
    assert certifier.edit is None
    assert isinstance(result, CertificationRejected)
    assert "more than a proof" in result.message


async def test_a_proof_may_use_what_stands_before_it(files: LeanFiles) -> None:
    text = _FILE.replace("n = n + 1", "3 = 3")
    certifier = await _in_place(files, text, "A.t")
    assert isinstance(await certifier.certify(Theorem(name="t", statement="p"), ["exact before"]), Certificate)
