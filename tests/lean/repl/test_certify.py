"""``proof.certify``: what counts as a proof, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.lean


def certify(repl: Any, statement: str, proof: str, **more: str) -> dict[str, Any]:
    """Certify ``theorem claim : statement := by proof`` as a proof of ``statement``."""
    header = more.pop("file_header", more.get("header", ""))
    source = f"{header}\ntheorem claim : {statement} := by\n  {proof}\n"
    claim = {"expr": statement} | more
    reply: dict[str, Any] = repl("proof.certify", source=source, name="claim", **claim)
    return reply


def reason(reply: dict[str, Any]) -> str:
    return str(reply["rejected"]["reason"])


def test_a_proof_is_certified_with_its_axioms_and_constants(repl: Any) -> None:
    certificate = certify(repl, "∀ (p q : Prop), p ∨ q → q ∨ p", "intro p q h\n  exact Or.symm h")["certificate"]
    assert certificate["statement"] == "∀ (p q : Prop), p ∨ q → q ∨ p"
    assert certificate["axioms"] == []
    assert "Or.symm" in certificate["constants"]
    assert certificate["trustedConstants"] == ["Or.symm"]
    assert certificate["leanVersion"].startswith("4.")


def test_classical_logic_is_accepted_and_named(repl: Any) -> None:
    certificate = certify(repl, "∀ p : Prop, p ∨ ¬p", "intro p\n  exact (Classical.choice ⟨Classical.em p⟩)")[
        "certificate"
    ]
    assert "Classical.choice" in certificate["axioms"]


def test_helpers_that_elaboration_makes_are_checked_too(repl: Any) -> None:
    proof = "intro b\n  exact (match b with | true => Or.inl rfl | false => Or.inr rfl)"
    assert "certificate" in certify(repl, "∀ b : Bool, b = true ∨ b = false", proof)


def test_statements_over_universes(repl: Any) -> None:
    assert "certificate" in certify(repl, "∀ (α : Sort u) (a : α), a = a", "intro α a\n  rfl", header="universe u")
    assert "certificate" in certify(repl, "∀ (α : Type _) (a : α), a = a", "intro α a\n  rfl")


def test_a_statement_has_the_fingerprint_of_its_certificate(repl: Any) -> None:
    for statement, proof in (("∀ n : Nat, n = n", "intro n; rfl"), ("let n := 3; n = 3", "intro n; rfl")):
        certificate = certify(repl, statement, proof)["certificate"]
        assert repl("statement.fingerprint", expr=statement) == {"fingerprint": certificate["fingerprint"]}
    assert repl("statement.fingerprint", copyFrom="Nat.add_zero") == repl(
        "statement.fingerprint", expr="(n : Nat) : n + 0 = n"
    )
    assert repl("statement.fingerprint", expr="nowhere = 3")["error"] == "elaboration"


def test_fingerprints_ignore_bound_names(repl: Any) -> None:
    one = certify(repl, "∀ n : Nat, n = n", "intro n; rfl")["certificate"]["fingerprint"]
    same = certify(repl, "∀ m : Nat, m = m", "intro n; rfl")["certificate"]["fingerprint"]
    other = certify(repl, "∀ m : Nat, m = m + 0", "intro n; rfl")["certificate"]["fingerprint"]
    assert one == same != other


@pytest.mark.parametrize("proof", ["sorry", "admit", "exact sorryAx _ false", "have h : 1 = 2 := sorry\n  exact h"])
def test_sorry_is_rejected(repl: Any, proof: str) -> None:
    assert reason(certify(repl, "1 = 2", proof)) in {"sorry", "elaboration"}


def test_a_wrong_proof_is_rejected_with_leans_words(repl: Any) -> None:
    rejected = certify(repl, "1 = 2", "rfl")["rejected"]
    assert rejected["reason"] == "elaboration"
    assert rejected["message"]


def test_leftover_goals_are_rejected(repl: Any) -> None:
    assert reason(certify(repl, "True ∧ True", "constructor\n  trivial")) == "elaboration"


def test_another_statement_is_rejected(repl: Any) -> None:
    assert reason(certify(repl, "1 = 1", "rfl", expr="1 = 2")) == "type_mismatch"
    assert reason(certify(repl, "∀ n : Nat, n = n", "intro n; rfl", expr="∀ n : Int, n = n")) == "type_mismatch"


@pytest.mark.parametrize(
    "proof",
    [
        "native_decide",
        "run_tac pure ()",
        "set_option maxRecDepth 100 in trivial",
        "trivial\naxiom cheat : False",
        "trivial\nend",
        "trivial\n#eval 1",
        "trivial\ntheorem more : True := trivial",
        "trivial\nattribute [simp] Nat.add_comm",
    ],
)
def test_whatever_is_not_one_plain_theorem_is_rejected(repl: Any, proof: str) -> None:
    assert reason(certify(repl, "True", proof)) == "forbidden"


@pytest.mark.parametrize(
    "header",
    ["axiom cheat : 1 = 2", 'local notation "1" => 2', 'macro "x" : tactic => `(tactic| sorry)', "namespace Evil"],
)
def test_headers_cannot_smuggle(repl: Any, header: str) -> None:
    assert reason(certify(repl, "True", "trivial", file_header=header)) == "forbidden"


def test_modifiers_are_not_plain(repl: Any) -> None:
    for source in (
        "private theorem claim : True := by trivial",
        "@[simp] theorem claim : True := by trivial",
        "theorem claim.{u} : True := by trivial",
        "theorem other : True := by trivial",
        "example : True := by trivial",
    ):
        assert reason(repl("proof.certify", source=source, name="claim", expr="True")) in {"forbidden", "elaboration"}


def test_a_library_theorem_may_not_prove_itself(repl: Any) -> None:
    def attempt(proof: str) -> dict[str, Any]:
        source = f"theorem claim : type_of% @Nat.add_comm := by\n  {proof}\n"
        reply: dict[str, Any] = repl("proof.certify", source=source, name="claim", copyFrom="Nat.add_comm")
        return reply

    assert reason(attempt("exact Nat.add_comm")) == "self_reference"
    assert reason(attempt("intro a b; simp [Nat.add_comm]")) == "self_reference"
    assert "certificate" in attempt("intro a b\n  omega")


@pytest.mark.parametrize(
    "proof",
    [
        "constructor\n  · trivial\n  · constructor\n    · rfl\n    · intro n\n      rfl",
        (
            "constructor\n  case right =>\n    constructor\n    case right => intro n; rfl\n    case left => rfl\n"
            "  case left => trivial"
        ),
        "refine ⟨?a, ?b, ?c⟩\n  case b => rfl\n  · trivial\n  · intro n\n    rfl",
    ],
)
def test_a_proof_may_be_a_tree(repl: Any, proof: str) -> None:
    assert "certificate" in certify(repl, "True ∧ 1 = 1 ∧ ∀ n : Nat, n = n", proof)


@pytest.mark.parametrize(
    "header",
    ["open Nowhere", "open Nowhere\nopen Nat", "universe u\nuniverse u\nopen Nat", "open Nat (nothing)\nopen Nat"],
)
def test_an_error_in_any_command_is_a_rejection_that_names_it(repl: Any, header: str) -> None:
    for more in ({"header": header}, {"file_header": header}):
        rejected = certify(repl, "1 = 1", "rfl", **more)["rejected"]
        assert rejected["reason"] == "elaboration"
        assert any(name in rejected["message"] for name in ("Nowhere", "`u`", "nothing"))
    refusal = repl("goal.start", expr="1 = 1", header=header)
    assert refusal["error"] == "header"
    assert refusal["desc"] == rejected["message"]


def test_a_statement_that_logs_an_error_does_not_start(repl: Any) -> None:
    refusal = repl("goal.start", expr="∀ n : Nat, (match n with | 0 => 0 | _ + 2 => 0) = 0")
    assert refusal["error"] == "elab"
    assert "Missing cases" in refusal["desc"]


@pytest.mark.parametrize(
    ("statement", "printed"),
    [
        ("1 = 1", "1 = 1"),
        ("(1 : Fin 1) = 2", "(1 : Fin (1 : Nat)) = (2 : Fin (1 : Nat))"),
        ("∀ n : Nat, (n : Int) = n", "∀ (n : Nat), (↑n : Int) = (↑n : Int)"),
        ("letI : OfNat Nat 2 := ⟨1⟩; (1 : Nat) = 2", "letI : OfNat Nat 2 := ⟨1⟩; (1 : Nat) = 2"),
        ("letI : Add Nat := ⟨fun a _ => a⟩; (1 : Nat) + 1 = 1", "letI : Add Nat := ⟨fun a _ => a⟩; (1 : Nat) + 1 = 1"),
        ("∀ (n) (_ : 0 < n := by decide), n = n", "∀ (n) (_ : 0 < n := by decide), n = n"),
    ],
)
def test_a_statement_is_shown_as_what_reads_back_as_itself(repl: Any, statement: str, printed: str) -> None:
    proof = "first | rfl | (intros; rfl)"
    certificate = certify(repl, statement, proof)["certificate"]
    assert certificate["statement"] == printed
    # What is shown is certified by the same proof, and is the same statement.
    again = certify(repl, printed, proof)["certificate"]
    assert again["fingerprint"] == certificate["fingerprint"]
    assert certificate["fingerprint"] != certify(repl, "1 + 0 = 1", "rfl")["certificate"]["fingerprint"]


def test_the_scope_of_a_statement_is_the_headers(repl: Any) -> None:
    more = {"header": "open Nat\nuniverse v"}
    statement = "∀ (α : Type v) (a : α) (n : Nat), a = a ∧ succ n = n + 1"
    assert certify(repl, statement, "intros; exact ⟨rfl, rfl⟩", **more)["certificate"]["statement"].startswith(
        "∀ (α : Type v)"
    )


@pytest.mark.parametrize("binding", ["letI", "let", "have", "haveI"])
def test_a_statement_that_shares_its_parts_is_as_large_as_it_is_written(repl: Any, binding: str) -> None:
    doubled = "".join(f"{binding} p{i + 1} := p{i} ∧ p{i}; " for i in range(24))
    statement = f"∀ p0 : Prop, {doubled}p24 → p24"
    assert "stateId" in repl("goal.start", expr=statement, goals=True)
    certificate = certify(repl, statement, "exact fun _ h => h")["certificate"]
    assert len(certificate["statement"]) < 10_000
