"""Whose syntax a proof may be written in, by the parser's own tables, and what stops a worker for good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from chosen_lean import ChosenLean

from .conftest import Repl
from .honest_proofs import HONEST_PROOFS

pytestmark = pytest.mark.lean

_FOR_TESTS = "Lean.Server.Test.Cancel"
_FOR_PROOFS = {
    "Lean.Parser.Term.byTactic",
    "Lean.Parser.Term.app",
    "Lean.Parser.Tactic.simp",
    "Lean.Parser.Tactic.mvcgen",
    "Lean.Parser.Tactic.Grind.instantiate",
    "Lean.calc",
    "Lean.Json.termJson%_",
    "Std.HashMap.term_~m_",
    "term_+_",
}


@pytest.fixture(scope="module")
def whole_lean(chosen_lean: ChosenLean) -> Iterator[Any]:
    """A REPL over all of Lean's modules."""
    repl = Repl(chosen_lean.command("Lean"))
    yield repl
    repl.process.kill()
    repl.close()


def _message(repl: Any, tactic: str, **more: str) -> str:
    reply = repl.tactic(repl.start("∀ n : Nat, n + 0 = n", **more), tactic)
    assert "nextStateId" not in reply
    return str(reply.get("parseError") or reply["messages"][0]["data"])


def test_nothing_of_the_core_library_is_refused(repl: Any) -> None:
    syntax = repl("env.describe")["syntax"]
    assert syntax["refused"] == []
    assert syntax["kinds"] > 1500


def test_of_lean_itself_only_the_language_of_proofs_is_taken(whole_lean: Any) -> None:
    syntax = whole_lean("env.describe")["syntax"]
    refused = {name.replace("«", "").replace("»", "") for name in syntax["refused"]}
    assert len(refused) < 100 < 1800 < syntax["kinds"]
    assert not refused & _FOR_PROOFS
    assert {name for name in refused if "Tactic" in name or "tactic" in name} >= {
        f"{_FOR_TESTS}.tacticWait_for_cancel_once",
        f"{_FOR_TESTS}.tacticWait_for_cancel_once_async",
        f"{_FOR_TESTS}.tacticWait_for_main_cancel_once_async",
        f"{_FOR_TESTS}.tacticWait_for_unblock",
        f"{_FOR_TESTS}.tacticWait_for_unblock_async",
        f"{_FOR_TESTS}.tacticUnblock",
    }


@pytest.mark.parametrize(
    "tactic",
    [
        "wait_for_cancel_once",
        "wait_for_cancel_once_async",
        "wait_for_main_cancel_once_async",
        "wait_for_unblock",
        "wait_for_unblock_async",
        "unblock",
    ],
)
def test_tactics_that_wait_for_a_test_are_refused(whole_lean: Any, tactic: str) -> None:
    expected = f"`{tactic}` is not allowed: it is no part of the language of proofs, but of {_FOR_TESTS}"
    assert _message(whole_lean, f"open {_FOR_TESTS} in {tactic}") == expected
    assert _message(whole_lean, f"first | {tactic} | rfl", header=f"open {_FOR_TESTS}") == expected
    assert _message(whole_lean, f"exact by {tactic}", header=f"open {_FOR_TESTS}") == expected


def test_they_are_refused_in_statements_and_files_too(whole_lean: Any) -> None:
    header = f"open {_FOR_TESTS}"
    refusal = whole_lean("goal.start", expr="(by wait_for_cancel_once : True) = trivial", header=header)
    assert refusal["error"] == "elab"
    assert "wait_for_cancel_once" in refusal["desc"]
    source = f"{header}\ntheorem t : 1 = 1 := by\n  wait_for_cancel_once\n"
    rejected = whole_lean("proof.certify", source=source, name="t", expr="1 = 1", header=header)["rejected"]
    assert rejected["reason"] == "forbidden"
    assert "wait_for_cancel_once" in rejected["message"]


@pytest.mark.parametrize("tactic", ["bv_decide", "intro n; bv_decide +acNf", "first | bv_decide? | rfl"])
def test_no_solver_is_started(whole_lean: Any, tactic: str) -> None:
    assert "may not run code" in _message(whole_lean, tactic)


@pytest.mark.parametrize(
    "tactic",
    [
        "try?",
        "∎",
        "exact ∎",
        "exact? +try?",
        "exact? +«try?»",
        "exact? -try?",
        "apply? +try?",
        "exact? (config := {try? := true})",
        "first | exact? +try? | rfl",
    ],
)
def test_what_starts_threads_is_refused(repl: Any, tactic: str) -> None:
    assert "it needs threads" in _message(repl, tactic)


@pytest.mark.parametrize("tactic", ["exact?", "exact? +grind -star", "intro n; bv_omega", "grind?", "show_term simp"])
def test_their_neighbours_are_not(repl: Any, tactic: str) -> None:
    reply = repl.tactic(repl.start("∀ n : Nat, n + 0 = n"), tactic)
    assert not {"parseError", "error"} & reply.keys()
    assert "threads" not in str(reply)
    assert "not allowed" not in str(reply)


def test_normalising_bit_vectors_is_allowed(whole_lean: Any) -> None:
    reply = whole_lean.tactic(whole_lean.start("∀ x : BitVec 8, x &&& x = x"), "intro x; bv_normalize")
    assert reply["goals"] == []


def _proves(repl: Any, statement: str, proof: str) -> None:
    reply = repl.tactic(repl.start(statement), proof)
    assert reply.get("goals") == [], reply
    lines = proof.replace("\n", "\n  ")
    source = f"theorem claim : {statement} := by\n  {lines}\n"
    reply = repl("proof.certify", source=source, name="claim", expr=statement)
    assert "certificate" in reply, reply


@pytest.mark.parametrize("name", HONEST_PROOFS)
def test_what_people_prove_with_is_taken(repl: Any, name: str) -> None:
    _proves(repl, *HONEST_PROOFS[name])


@pytest.mark.parametrize("name", HONEST_PROOFS)
def test_it_is_taken_where_all_of_lean_is_imported(whole_lean: Any, name: str) -> None:
    _proves(whole_lean, *HONEST_PROOFS[name])
