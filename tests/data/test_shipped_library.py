"""The library theorems that come with the package."""

from __future__ import annotations

import pytest

from leanebm.core import ProofFinished, TacticRejected
from leanebm.data import SHIPPED_LIBRARY, Split, library_theorems, why_unworthy
from leanebm.lean import Certifier, LeanPool, LeanPoolConfig

MIB = 1 << 20


def test_it_is_small_enough_to_ship() -> None:
    assert SHIPPED_LIBRARY.stat().st_size < 5 * MIB


def test_modules_are_not_torn_between_splits() -> None:
    modules = {split: {theorem.module for theorem in library_theorems(split)} for split in Split}
    assert all(modules.values())
    assert not modules[Split.TRAIN] & modules[Split.TEST]
    assert not modules[Split.TRAIN] & modules[Split.VAL]
    assert not modules[Split.VAL] & modules[Split.TEST]


def test_no_statement_is_shipped_twice() -> None:
    everything = [theorem for split in Split for theorem in library_theorems(split)]
    assert len({theorem.fingerprint for theorem in everything}) == len(everything) > 20_000
    assert all(why_unworthy(theorem) is None for theorem in everything)


@pytest.mark.lean
async def test_it_matches_the_library_that_lean_has(lean_pool: LeanPool) -> None:
    in_init = [theorem for theorem in library_theorems(Split.TEST) if theorem.module.startswith("Init.")]
    for theorem in in_init[:: len(in_init) // 20]:
        async with lean_pool.open(theorem.theorem) as proof:
            assert not proof.root.is_solved


@pytest.mark.lean
async def test_a_theorem_does_not_count_as_its_own_proof(lean_pool: LeanPool) -> None:
    theorem = next(
        entry.theorem for split in Split for entry in library_theorems(split) if entry.name == "Nat.add_comm"
    )
    async with lean_pool.open(theorem) as proof:
        itself = await proof.run_tactic(proof.root, "exact Nat.add_comm")
        assert isinstance(itself, TacticRejected)
        assert "may not use it" in itself.message
        assert isinstance(await proof.run_tactic(proof.root, "intro a b; omega"), ProofFinished)
    async with Certifier(LeanPoolConfig.embedded()) as certifier:
        themselves = await certifier.certify(theorem, ["exact Nat.add_comm"])
        with_simp = await certifier.certify(theorem, ["intro a b", "simp [Nat.add_comm]"])
        honest = await certifier.certify(theorem, ["intro a b", "omega"])
    assert getattr(themselves, "reason", None) == getattr(with_simp, "reason", None) == "self_reference"
    assert getattr(honest, "fingerprint", None)
