"""Workers that claim success: what they say while searching, and what they say as the certifier."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chosen_lean import ChosenLean

from leanebm.core import Candidate, Certificate, CertificationRejected, CertificationResult, SearchOutcome, Theorem
from leanebm.errors import WorkerLost, WorkerStartError
from leanebm.lean import Certifier, CommandBackend, Dialect, LeanPool, LeanPoolConfig
from leanebm.pipeline import CertificationRun, write_proof
from leanebm.search import BestFirstSearch, SearchBudget, SearchConfig
from leanebm.search.scorers import BreadthFirst
from leanebm.testing import ScriptedPolicy

from .lying_worker import lying_worker_argv
from .tally import Tally

_FALSE = Theorem(name="poison", statement="1 = 2")
_LIBRARY = Theorem(name="poison", copy_from="Nat.add_comm")
_DONE: dict[str, Any] = {"nextStateId": 1, "goals": [], "messages": [], "hasSorry": False, "hasUnsafe": False}
_CERTIFICATE: dict[str, Any] = {
    "statement": "1 = 2",
    "fingerprint": "f00d",
    "axioms": [],
    "constants": ["Nat"],
    "trustedConstants": [],
    "leanVersion": "4.28.0",
}


def liar(dialect: Dialect = Dialect.LEANEBM, **answers: Any) -> LeanPoolConfig:
    backend = CommandBackend(argv=lying_worker_argv(**answers), name="liar", dialect=dialect)
    return LeanPoolConfig(backend=backend, num_workers=1, imports=(), max_restart_delay_s=0.0, max_start_failures=1)


# --- a liar that searches -------------------------------------------------------------------------------------


@pytest.mark.lean
@pytest.mark.parametrize(
    "claim",
    [
        _DONE,
        {"stateId": 1, "goals": []},
        _DONE | {"messages": [{"severity": "warning", "data": "declaration uses 'sorry'"}]},
        _DONE | {"certificate": _CERTIFICATE},
    ],
    ids=["no goals", "short form", "a warning", "a certificate as well"],
)
async def test_what_a_searching_worker_believes_is_checked_by_another(
    certifier: Certifier, claim: dict[str, Any], tally: Tally
) -> None:
    async with LeanPool(liar(goal_tactic=[claim])) as pool:
        result = await _search(pool, certifier).run(_FALSE)
    (rejection,) = result.rejections
    tally.attack("a lying worker", rejection.reason)
    assert result.outcome is SearchOutcome.REJECTED
    assert rejection.reason == "elaboration"


@pytest.mark.parametrize(
    "claim",
    [
        _DONE | {"hasSorry": True},
        _DONE | {"hasUnsafe": True},
        _DONE | {"messages": [{"severity": "error", "data": "unsolved goals"}]},
        {"goals": []},
        {"nextStateId": 1},
        _DONE | {"nextStateId": -1},
        _DONE | {"nextStateId": "1"},
        _DONE | {"goals": None},
        _DONE | {"goals": {}},
        _DONE | {"goals": [{}]},
        {},
        {"messages": []},
        [],
        "proved\n",
        '{"nextStateId": 1, "goals": []}\n{"nextStateId": 2, "goals": []}\n',
        '{"nextStateId": 1, "goals": [',
    ],
    ids=str,
)
async def test_half_a_claim_is_not_even_believed(claim: object, tally: Tally) -> None:
    config = LeanPoolConfig(
        backend=liar(goal_tactic=[claim]).backend, num_workers=1, imports=(), tactic_timeout_s=0.5, tactic_grace_s=0.5
    )
    async with LeanPool(config) as pool, Certifier(liar()) as nobody:
        result = await _search(pool, nobody).run(_FALSE)
    tally.attack("half a claim", result.outcome.value)
    assert result.certificate is None
    assert not result.rejections
    assert not any(node.state.is_solved for node in result.nodes)


def _search(pool: LeanPool, certifier: Certifier) -> BestFirstSearch:
    return BestFirstSearch(
        policy=ScriptedPolicy(script={}, default=[Candidate("rfl", -0.1)]),
        scorer=BreadthFirst(),
        environment=pool,
        certifier=certifier,
        config=SearchConfig(budget=SearchBudget(max_expansions=1)),
    )


# --- a liar that certifies ------------------------------------------------------------------------------------


async def _certify(config: LeanPoolConfig, theorem: Theorem = _FALSE) -> CertificationResult | None:
    """``None`` if nothing the worker says is taken for a verdict."""
    async with Certifier(config, deadline_s=2.0) as certifier:
        try:
            return await certifier.certify(theorem, ["rfl"])
        except (WorkerLost, WorkerStartError):
            return None


@pytest.mark.parametrize(
    "said",
    [
        json.dumps({"certificate": _CERTIFICATE}) + "\n",
        {"nonce": "0" * 32, "certificate": _CERTIFICATE},
        {"nonce": None, "certificate": _CERTIFICATE},
        {"certificate": _CERTIFICATE | {"axioms": None}},
        {"certificate": {"statement": "1 = 2"}},
        {"certificate": []},
        {},
        '{"nonce": "NONCE", "certificate": {}}\n{"nonce": "NONCE", "certificate": {}}\n',
    ],
    ids=["no number", "another number", "null", "no axioms", "half", "a list", "nothing", "two lines"],
)
async def test_what_does_not_answer_the_request_is_no_verdict(said: object, tally: Tally) -> None:
    result = await _certify(liar(proof_certify=[said]))
    tally.attack("no verdict", "lost" if result is None else getattr(result, "reason", None))
    assert result is None


async def test_a_certificate_that_came_unasked_is_no_verdict(tally: Tally) -> None:
    line = '{"nonce": "", "certificate": {}}\n'
    result = await _certify(liar(unasked=[line], proof_certify=[{"certificate": _CERTIFICATE}]))
    tally.attack("unasked", "lost" if result is None else getattr(result, "reason", None))
    assert result is None


@pytest.mark.parametrize(
    ("theorem", "lie", "reason"),
    [
        (_FALSE, {"axioms": ["sorryAx"]}, "sorry"),
        (_FALSE, {"constants": ["sorryAx"]}, "sorry"),
        (_FALSE, {"axioms": ["propext", "cheat"]}, "axioms"),
        (_FALSE, {"axioms": ["Lean.ofReduceBool"]}, "axioms"),
        (_FALSE, {"statement": ""}, "elaboration"),
        (_FALSE, {"fingerprint": ""}, "elaboration"),
        (_LIBRARY, {"constants": ["Nat.add_comm"]}, "self_reference"),
    ],
)
async def test_a_certificate_that_contradicts_itself_is_rejected(
    theorem: Theorem, lie: dict[str, Any], reason: str, tally: Tally
) -> None:
    said = {"certificate": _CERTIFICATE | lie}
    result = await _certify(liar(proof_certify=[said]), theorem)
    tally.attack("a contradiction", getattr(result, "reason", None))
    assert isinstance(result, CertificationRejected)
    assert result.reason == reason


_AXIOMS = {"severity": "information", "data": "'leanebm_poison' does not depend on any axioms"}


@pytest.mark.parametrize(
    ("units", "reason"),
    [
        ([{"boundary": [0, 9], "messages": [{"severity": "error", "data": "no"}, _AXIOMS]}], "elaboration"),
        ([{"boundary": [0, 9], "messages": [{"severity": "warning", "data": "declaration uses 'sorry'"}]}], "sorry"),
        ([{"boundary": [0, 9], "messages": []}], "elaboration"),
        ([{"boundary": [0, 9], "messages": [_AXIOMS]}, {"boundary": [9, 40]}], "forbidden"),
        (
            [{"boundary": [0, 9], "messages": [_AXIOMS | {"data": "'other' does not depend on any axioms"}]}],
            "elaboration",
        ),
    ],
    ids=["an error", "a warning", "silence", "a second command", "another theorem"],
)
async def test_messages_are_read_strictly(units: list[dict[str, Any]], reason: str, tally: Tally) -> None:
    result = await _certify(liar(Dialect.PANTOGRAPH, frontend_process=[{"units": units}]))
    tally.attack("messages", getattr(result, "reason", None))
    assert isinstance(result, CertificationRejected)
    assert result.reason == reason


@pytest.mark.lean
async def test_a_certifier_that_lies_throughout_is_found_out_by_an_independent_check(
    tmp_path: Path, chosen_lean: ChosenLean
) -> None:
    """Nothing on our side of the pipe can tell such a certificate from a true one: this is the trust model's edge."""
    lie = await _certify(liar(proof_certify=[{"certificate": _CERTIFICATE}]))
    assert isinstance(lie, Certificate)
    (report,) = await CertificationRun(chosen_lean.config(), [write_proof(lie, tmp_path)]).run()
    assert isinstance(report.result, CertificationRejected)
    assert report.result.reason == "elaboration"
