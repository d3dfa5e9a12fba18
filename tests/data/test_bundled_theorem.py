from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leanebm.core import ProofFinished, ProofState
from leanebm.data import BUNDLED_FILE, BundledTheorem, Level, bundled_set, bundled_theorems
from leanebm.lean import LeanPool

_AUTOMATION = ("rfl", "decide", "simp", "simp_all", "omega", "grind")
CLOSERS = (*_AUTOMATION, *(f"intros; {tactic}" for tactic in _AUTOMATION))
"""What counts as one automation tactic alone at the root.

`exact?` counts too, and was run when the set was made, but not again here: a search of the whole
library for every statement takes minutes.
"""

_PROOF_LINES = Path(__file__).with_name("core_proofs.jsonl").read_text(encoding="utf-8").splitlines()
PROOFS: dict[str, dict[str, Any]] = {proof["name"]: proof for proof in map(json.loads, _PROOF_LINES)}
"""For each theorem its reference ``tactics``, and the ``closers`` found when the set was made."""

BY_LEVEL: dict[Level, list[BundledTheorem]] = {
    level: [entry for entry in bundled_set() if entry.level is level] for level in Level
}
every_theorem = pytest.mark.parametrize("entry", bundled_set(), ids=lambda entry: entry.theorem.name)
every_unclosed = pytest.mark.parametrize(
    "entry", [*BY_LEVEL[Level.MEDIUM], *BY_LEVEL[Level.HARD]], ids=lambda entry: entry.theorem.name
)
every_closed = pytest.mark.parametrize(
    ("entry", "closer"),
    [
        pytest.param(entry, closer, id=entry.theorem.name)
        for entry in bundled_set()
        for closer in PROOFS[entry.theorem.name]["closers"][:1]
        if closer in CLOSERS
    ],
)


# --- the file -----------------------------------------------------------------------------------


def test_there_are_at_least_sixty_statements_and_no_two_alike() -> None:
    assert len(bundled_set()) >= 60
    assert len({theorem.statement for theorem in bundled_theorems()}) == len(bundled_set())
    assert len({theorem.name for theorem in bundled_theorems()}) == len(bundled_set())


def test_easier_statements_come_first() -> None:
    levels = list(Level)
    ranks = [levels.index(entry.level) for entry in bundled_set()]
    assert ranks == sorted(ranks)
    assert set(ranks) == set(range(len(levels)))


def test_at_least_half_is_above_what_automation_alone_does() -> None:
    assert 2 * (len(BY_LEVEL[Level.MEDIUM]) + len(BY_LEVEL[Level.HARD])) >= len(bundled_set())


@every_theorem
def test_an_entry_is_in_order(entry: BundledTheorem) -> None:
    assert entry.tags
    assert list(entry.tags) == sorted(set(entry.tags))
    assert entry.theorem.header == ""
    proof = PROOFS[entry.theorem.name]
    assert 1 <= len(proof["tactics"]) <= 8
    assert (proof["closers"] == []) == (entry.level in {Level.MEDIUM, Level.HARD})


def test_no_reference_proof_is_shipped() -> None:
    lines = [json.loads(line) for line in BUNDLED_FILE.read_text(encoding="utf-8").splitlines()]
    assert {key for line in lines for key in line} == {"name", "statement", "meta"}
    assert {key for line in lines for key in line["meta"]} == {"level", "tags"}
    assert PROOFS.keys() == {theorem.name for theorem in bundled_theorems()}


# --- what Lean says -----------------------------------------------------------------------------


@pytest.mark.lean
@every_theorem
async def test_a_reference_proof_works_step_by_step(lean_pool: LeanPool, entry: BundledTheorem) -> None:
    async with lean_pool.open(entry.theorem) as proof:
        state: ProofState = proof.root
        for tactic in PROOFS[entry.theorem.name]["tactics"]:
            assert not state.is_solved, f"{tactic!r} is not needed"
            outcome = await proof.run_tactic(state, tactic)
            assert hasattr(outcome, "state"), f"{tactic!r} on\n{state}\ngave {outcome}"
            state = outcome.state
        assert isinstance(outcome, ProofFinished), f"left over:\n{state}"


@pytest.mark.lean
@every_unclosed
async def test_no_automation_tactic_alone_closes_a_medium_or_hard_statement(
    lean_pool: LeanPool, entry: BundledTheorem
) -> None:
    async with lean_pool.open(entry.theorem) as proof:
        outcomes = {closer: await proof.run_tactic(proof.root, f"({closer})") for closer in CLOSERS}
    assert [closer for closer, outcome in outcomes.items() if isinstance(outcome, ProofFinished)] == []


@pytest.mark.lean
@every_closed
async def test_an_automation_tactic_alone_closes_an_easy_statement(
    lean_pool: LeanPool, entry: BundledTheorem, closer: str
) -> None:
    async with lean_pool.open(entry.theorem) as proof:
        outcome = await proof.run_tactic(proof.root, f"({closer})")
    assert isinstance(outcome, ProofFinished)
