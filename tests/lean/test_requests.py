from __future__ import annotations

import pytest

from leanebm.core import Theorem
from leanebm.lean import Dialect, requests

_SCOPED = Theorem(name="t", statement="∀ α : Sort u, p", header="open Nat\nuniverse u v")


def test_a_theorem_is_started_with_its_header() -> None:
    payload = requests.goal_start(_SCOPED).payload
    assert payload == {"expr": _SCOPED.statement, "header": _SCOPED.header, "goals": True, "prop": True}


def test_lean_is_told_when_to_give_a_statement_up() -> None:
    assert requests.goal_start(_SCOPED, timeout_s=1.5).payload["timeout"] == 1500


def test_a_worker_without_headers_is_told_the_universes() -> None:
    payload = requests.goal_start(_SCOPED, Dialect.PANTOGRAPH).payload
    assert payload == {"expr": _SCOPED.statement, "levels": ["u", "v"], "goals": True, "prop": True}


def test_a_library_theorem_is_copied() -> None:
    payload = requests.goal_start(Theorem(name="t", copy_from="Nat.add_comm")).payload
    assert payload == {"copyFrom": "Nat.add_comm", "goals": True, "prop": True}


@pytest.mark.parametrize("kind", ["tactic", "expr", "have", "let"])
def test_exactly_one_kind_of_step_is_sent(kind: str) -> None:
    payload = requests.goal_tactic(3, timeout_s=1.5, kind=kind, text="x", name="h").payload
    assert payload == {"stateId": 3, kind: "x", "binderName": "h", "timeout": 1500}


def test_every_flag_of_the_frontend_is_sent() -> None:
    payload = requests.frontend_process("text").payload
    assert payload.keys() == {"file", "readHeader", "inheritEnv", "newConstants", "sorrys", "typeErrorsAsGoals"}


def test_certification_names_the_claim() -> None:
    payload = requests.proof_certify(_SCOPED, source="s", name="n").payload
    assert payload == {"source": "s", "name": "n", "expr": _SCOPED.statement, "header": _SCOPED.header}
