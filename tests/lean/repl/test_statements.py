"""A right proof is certified whatever elaborating its statement declares, and nothing near the statement is.

The statement is elaborated twice: apart from the proof and in the file. Matchers, defaults and proofs in it get names
of their own each time, and a theorem's ``let`` is polished.
"""

from __future__ import annotations

from typing import Any

import pytest

from .statements import STATEMENTS, Statement

pytestmark = pytest.mark.lean


def verdict(repl: Any, statement: Statement, asked: str) -> dict[str, Any]:
    """The reply where ``statement`` and its proof are said to prove ``asked``."""
    stated = statement.text.replace("\n", "\n    ")
    source = f"theorem claim :\n    {stated} := by\n  {statement.proof}\n"
    reply: dict[str, Any] = repl("proof.certify", source=source, name="claim", expr=asked)
    return reply


def test_there_are_many() -> None:
    assert len(STATEMENTS) >= 200
    assert sum(len(statement.others) for statement in STATEMENTS) >= 1000


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.text.replace("\n", " "))
def test_what_starts_and_closes_is_certified_and_nothing_near_it(repl: Any, statement: Statement) -> None:
    reply = repl.tactic(repl.start(statement.text, prop=True), statement.proof)
    assert reply["goals"] == [], reply
    certificate = verdict(repl, statement, statement.text)["certificate"]
    assert not any(name.startswith("claim") for name in certificate["constants"])
    for other in statement.others:
        assert "stateId" in repl("goal.start", expr=other, prop=True), other
        assert verdict(repl, statement, other)["rejected"]["reason"] == "type_mismatch", other


def test_a_fingerprint_is_of_what_is_said_and_not_of_the_names_that_elaboration_made(repl: Any) -> None:
    statement = "∀ o : Option Nat, (match o with | none => 0 | some x => x) = o.getD 0"

    def fingerprint(name: str, text: str) -> str:
        source = f"theorem {name} : {text} := by\n  intro o; cases o <;> rfl\n"
        return str(repl("proof.certify", source=source, name=name, expr=text)["certificate"]["fingerprint"])

    assert fingerprint("one", statement) == fingerprint("two", statement)
    assert fingerprint("one", statement) != fingerprint("one", statement.replace("some x => x", "some x => x + 0"))
