"""The same with real Lean: a tactic that cannot be interrupted, and a worker that is killed in mid-proof."""

from __future__ import annotations

import os
import signal

import pytest

from leanebm.core import ProofAdvanced, ProofFinished, SearchOutcome, Theorem
from leanebm.lean import Certifier, LeanPool, LeanPoolConfig, ReplayingEnvironment
from leanebm.lean.embedded import EmbeddedLean
from leanebm.search import BestFirstSearch
from leanebm.search.scorers import BreadthFirst
from leanebm.testing import ScriptedPolicy

pytestmark = pytest.mark.lean

_SWAP = Theorem(name="swap", statement="∀ (p q : Prop), p ∧ q → q ∧ p")
# One multiplication of two numbers of sixteen million bits, which the kernel never looks up from.
_HANGS = "have h2 : ((1 <<< 16777215) - 1) * ((1 <<< 16777215) - 1) ≠ 5 := by decide +kernel"
# Lean elaborates for half a second before that, on an idle machine, and could still be interrupted there.
_CONFIG = LeanPoolConfig.embedded(num_workers=1, tactic_timeout_s=4.0, tactic_grace_s=1.0)


async def test_a_tactic_that_lean_cannot_interrupt_costs_one_edge(embedded_lean: EmbeddedLean) -> None:
    assert embedded_lean.node.is_file()
    script = {"∀ (p q : Prop), p ∧ q → q ∧ p": {"intro p q h": 1.0}, "q ∧ p": {_HANGS: 0.9, "exact ⟨h.2, h.1⟩": 0.1}}
    async with LeanPool(_CONFIG) as pool, Certifier(_CONFIG) as certifier:
        search = BestFirstSearch(
            policy=ScriptedPolicy.of(script),
            scorer=BreadthFirst(),
            environment=ReplayingEnvironment(pool),
            certifier=certifier,
        )
        result = await search.run(_SWAP)
        assert result.outcome is SearchOutcome.PROVED, result.error
        edges = {edge.tactic: edge.kind.value for node in result.nodes for edge in node.edges}
        assert edges == {"intro p q h": "advanced", _HANGS: "timed_out", "exact ⟨h.2, h.1⟩": "finished"}
        assert pool.statistics().starts == 2

        async with ReplayingEnvironment(pool).open(_SWAP) as proof:
            intros = await proof.run_tactic(proof.root, "intro p q h")
            assert isinstance(intros, ProofAdvanced)
            os.killpg(pool.statistics().workers[0].pid, signal.SIGKILL)
            assert isinstance(await proof.run_tactic(intros.state, "exact ⟨h.2, h.1⟩"), ProofFinished)
        assert pool.statistics().starts == 3
