from __future__ import annotations

import attrs
import pytest

from leanebm.core import Theorem
from leanebm.data import KnownProof, proofs_of

PROOF = KnownProof(
    theorem=Theorem(name="add_zero", statement="∀ n : Nat, n + 0 = n"),
    module="My.Module",
    tactics=("intro n", "rfl"),
    states=("⊢ ∀ n : Nat, n + 0 = n", "n : Nat\n⊢ n + 0 = n"),
)


def test_a_proof_is_its_steps() -> None:
    assert [(pair.step, pair.num_steps, pair.state, pair.tactic) for pair in PROOF.pairs] == [
        (0, 2, PROOF.states[0], "intro n"),
        (1, 2, PROOF.states[1], "rfl"),
    ]
    assert {(pair.theorem, pair.module) for pair in PROOF.pairs} == {(PROOF.theorem, "My.Module")}
    assert proofs_of(reversed(PROOF.pairs)) == (PROOF,)


@pytest.mark.parametrize("pairs", [PROOF.pairs[:1], PROOF.pairs[1:], (*PROOF.pairs, PROOF.pairs[0])])
def test_steps_that_are_no_whole_proof_make_none(pairs: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="lacks steps, or has one twice"):
        proofs_of(pairs)  # type: ignore[arg-type] # pairs they are


def test_each_tactic_has_its_state() -> None:
    with pytest.raises(ValueError, match="2 tactics, but states for 1"):
        attrs.evolve(PROOF, states=("⊢ True",))
    with pytest.raises(ValueError, match="tactics"):
        attrs.evolve(PROOF, tactics=(), states=())
