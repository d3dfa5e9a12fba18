"""What the command line sets holds for every text, as `set_option` in front of it would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.lean

_SLOW = "simp only [Nat.pow_succ, Nat.mul_add, Nat.add_mul]"
_STATEMENT = "∀ (x y z : Nat), (x + y + z) ^ 6 = (z + y + x) ^ 6"


def test_heartbeats_bound_tactics_and_certified_proofs_and_a_header_outweighs_them(
    new_repl: Callable[..., Any],
) -> None:
    repl = new_repl("Init", "--maxHeartbeats=200", "--maxSynthPendingDepth=3")
    state = repl.after(_STATEMENT, "intro x y z")
    assert "heartbeats" in repl.tactic(state, f"{_SLOW}; done")["desc"]
    source = f"theorem t : {_STATEMENT} := by\n  intro x y z\n  {_SLOW}\n"
    reply = repl("proof.certify", source=source, name="t", expr=_STATEMENT)
    assert "heartbeats (200)" in reply["rejected"]["message"]
    header = "set_option maxHeartbeats 400000"
    reply = repl("proof.certify", source=f"{header}\n\n{source}", name="t", expr=_STATEMENT, header=header)
    assert "heartbeats" not in str(reply)
    header = "set_option maxSynthPendingDepth 2\nset_option maxHeartbeats 400000\nset_option maxRecDepth 4000"
    assert "stateId" in repl("goal.start", expr="True", header=header)


@pytest.mark.parametrize("setting", ["--debug.skipKernelTC=true", "--maxHeartbeats", "--trust=1024"])
def test_what_a_text_may_not_set_is_refused(new_repl: Callable[..., Any], setting: str) -> None:
    assert new_repl("Init", setting).banner == b""
