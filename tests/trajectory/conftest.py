"""What the trajectory's tests share: a run, and theorems with rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leanebm.core import Certificate, CertificationRejected, NodeStatus, SearchOutcome, TacticFate, Theorem
from leanebm.trajectory import Attempt, TheoremRecord, TrajectoryRow

MakeTheorem = Callable[..., tuple[TheoremRecord, list[TrajectoryRow]]]


@pytest.fixture
def make_theorem() -> MakeTheorem:
    """``make_theorem("t1", "proved", num_rows=3)``: a record and its rows."""

    def make(
        name: str, outcome: str = SearchOutcome.BUDGET_SPENT, *, run_id: str = "run-1", num_rows: int = 3
    ) -> tuple[TheoremRecord, list[TrajectoryRow]]:
        theorem = Theorem(name=name, statement="∀ n : Nat, zero + n = n", header="open Nat", context="def zero := 0")
        record = TheoremRecord(
            theorem=theorem,
            run_id=run_id,
            outcome=SearchOutcome(outcome),
            certificate=_certificate(theorem) if outcome == "proved" else None,
            rejections=(_rejection(theorem),) if outcome == "rejected" else (),
            error_kind="WorkerDied" if outcome == "infrastructure" else None,
            error="it died" if outcome == "infrastructure" else None,
            started_unix_s=1.7e9,
            nodes=num_rows,
            expansions=2,
            tactic_calls=5,
            wall_s=0.25,
            lean_s=0.125,
        )
        return record, [_row(record, node) for node in range(num_rows)]

    return make


def _row(record: TheoremRecord, node: int) -> TrajectoryRow:
    return TrajectoryRow(
        run_id=record.run_id,
        theorem=record.theorem.name,
        statement=record.theorem.display,
        outcome=record.outcome,
        node=node,
        parent=node - 1,
        state_key=f"key{node}",
        state_text=f"n : Nat\n⊢ {node} + n = n",
        num_goals=1,
        tactic=None if node == 0 else "simp",
        log_prob=-0.5 if node else 0.0,
        path_log_prob=-0.5 * node,
        priority=-0.5 * node,
        depth=node,
        remaining_depth=-1,
        on_proof_path=False,
        status=NodeStatus.EXPANDED,
        expansion=node,
        attempts=(
            Attempt(tactic="simp", log_prob=-0.5, kind=TacticFate.ADVANCED, target=node + 1, elapsed_s=0.01),
            Attempt(tactic="omega", log_prob=-1.5, kind=TacticFate.REJECTED, message="omega could not", elapsed_s=0.02),
        ),
        started_unix_s=record.started_unix_s,
        found_s=0.1 * node,
        tactic_s=0.01,
        worker_epoch=3,
        backend="toy",
        seed=0,
    )


def _certificate(theorem: Theorem) -> Certificate:
    return Certificate(
        theorem=theorem,
        source="theorem t : ∀ n : Nat, 0 + n = n := by\n  simp\n",
        tactics=("simp",),
        statement="∀ (n : Nat), 0 + n = n",
        fingerprint="f00d",
        axioms=("propext",),
        constants=("Nat.zero_add",),
        lean_version="4.28.0",
        backend="toy",
        imports=("Init",),
    )


def _rejection(theorem: Theorem) -> CertificationRejected:
    return CertificationRejected(theorem=theorem, source="", tactics=("sorry",), reason="sorry", message="it is sorry")
