from __future__ import annotations

import pytest

from leanebm.core import StateRef, Theorem
from leanebm.lean import Dialect, requests
from leanebm.lean.requests import goal_start, proof_certify

_SCOPED = Theorem(name="t", statement="∀ α : Sort u, p", header="open Nat\nuniverse u v")


def test_a_theorem_is_started_with_its_header() -> None:
    payload = requests.goal_start(_SCOPED, epoch=1).payload
    assert payload == {"expr": _SCOPED.statement, "header": _SCOPED.header, "goals": True, "prop": True}


def test_lean_is_told_when_to_give_a_statement_up() -> None:
    assert requests.goal_start(_SCOPED, epoch=1, timeout_s=1.5).payload["timeout"] == 1500


def test_a_context_goes_with_the_header() -> None:
    theorem = Theorem(name="t", statement="p", header="open Nat\n", context="\ndef f := 1\n")
    texts = {"header": theorem.header, "context": theorem.context}
    assert goal_start(theorem, epoch=0).payload.items() >= texts.items()
    assert proof_certify(theorem, source="s", name="n", timeout_s=1.0).payload.items() >= texts.items()


def test_a_worker_without_headers_is_told_the_universes() -> None:
    payload = requests.goal_start(_SCOPED, Dialect.PANTOGRAPH, epoch=1).payload
    assert payload == {"expr": _SCOPED.statement, "levels": ["u", "v"], "goals": True, "prop": True}


def test_a_library_theorem_is_copied() -> None:
    copied = Theorem(name="t", copy_from="Nat.add_comm")
    payload = requests.goal_start(copied, epoch=1).payload
    assert payload == {"copyFrom": "Nat.add_comm", "apart": True, "goals": True, "prop": True}
    plain = requests.goal_start(copied, Dialect.PANTOGRAPH, epoch=1).payload
    assert plain == {"copyFrom": "Nat.add_comm", "levels": [], "goals": True, "prop": True}


@pytest.mark.parametrize(
    "command",
    [
        "attribute [simp] Nat.add_comm",
        "attribute [-simp] Nat.add_comm\naxiom cheat : False",
        "attribute [-simp] Nat.add_comm Nat.mul_comm",
        "attribute [-instance] instAddNat",
        "attribute [-simp] Nat.add_comm in",
        "axiom",
        1,
        None,
    ],
)
def test_no_worker_can_smuggle_text_into_a_certified_file(command: object) -> None:
    decode = requests.env_apart("Nat.add_comm").decode
    honest = ["attribute [-simp, -grind] Nat.add_comm", "attribute [-ext] «Nat».«add»"]
    assert decode({"commands": honest}) == tuple(honest)
    with pytest.raises(ValueError, match="does not take an attribute off"):
        decode({"commands": [*honest, command]})


def test_a_tactic_is_sent_with_its_state_and_its_time() -> None:
    payload = requests.goal_tactic(StateRef(1, 3), "x", timeout_s=1.5).payload
    assert payload == {"stateId": 3, "tactic": "x", "timeout": 1500}


def test_states_are_forgotten_in_order() -> None:
    assert requests.goal_delete({StateRef(1, 4), StateRef(1, 2)}).payload == {"stateIds": [2, 4]}


def test_every_flag_of_the_frontend_is_sent() -> None:
    payload = requests.frontend_process("text").payload
    assert payload.keys() == {"file", "readHeader", "inheritEnv", "newConstants", "sorrys", "typeErrorsAsGoals"}


def test_a_fingerprint_is_asked_of_the_statement_in_its_place() -> None:
    scope = {"expr": _SCOPED.statement, "header": _SCOPED.header}
    assert requests.statement_fingerprint(_SCOPED).payload == scope
    copied = Theorem(name="t", copy_from="Nat.add_comm")
    assert requests.statement_fingerprint(copied).payload == {"copyFrom": "Nat.add_comm"}


def test_certification_names_the_claim() -> None:
    payload = requests.proof_certify(_SCOPED, source="s", name="n", timeout_s=2.0).payload
    scope = {"expr": _SCOPED.statement, "header": _SCOPED.header}
    assert payload == {"source": "s", "name": "n", "timeout": 2000, **scope}


def test_a_proof_in_a_file_is_opened_by_its_place() -> None:
    start = requests.file_start("theorem t : p := sorry", 17)
    request = start(_SCOPED, Dialect.LEANEBM, epoch=1, timeout_s=1.5)
    assert request.payload == {"source": "theorem t : p := sorry", "sorry": 17, "timeout": 1500}
    assert request.about == _SCOPED.statement
    assert "timeout" not in start(_SCOPED, Dialect.LEANEBM, epoch=1, timeout_s=None).payload


def test_what_the_certifier_asks_is_limited_by_the_certifier() -> None:
    certify = proof_certify(_SCOPED, source="s", name="n", timeout_s=1.0)
    of_file = requests.file_certify("s", lambda *_: pytest.fail("nothing was answered"))
    limits = {certify.limit, of_file.limit, requests.frontend_process("s").limit}
    assert limits == {requests.CERTIFIER_LIMIT}


@pytest.mark.parametrize(
    ("tactic", "indexes"),
    [
        ("exact?", ["exact?"]),
        ("intro n\n  apply? using h", ["exact?"]),
        ("first | rw? | exact?", ["exact?", "rw?"]),
        ("have? using h", ["exact?"]),
        ("rw [foo?]", []),
        ("exact h", []),
        ("exact foo.exact?", []),
        ("simp?", []),
    ],
)
def test_a_tactic_says_what_it_needs_of_the_library(tactic: str, indexes: list[str]) -> None:
    assert [index.value for index in requests.indexes_for(tactic)] == indexes


def test_an_index_is_asked_for_by_the_tactic_that_needs_it() -> None:
    request = requests.warm(requests.LibraryIndex.TERMS, timeout_s=60.0)
    assert (request.command, request.payload) == ("warm", {"tactic": "exact?", "timeout": 60_000})
