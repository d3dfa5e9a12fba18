"""The rules' tactics against the real Lean: whatever they propose must at least be Lean."""

from __future__ import annotations

import pytest

from leanebm._printed.goal import parse_goal
from leanebm.core import ProofAdvanced, TacticRejected, Theorem
from leanebm.lean import LeanPool, ReplayingEnvironment
from leanebm.serve.backends.template._rules import RULES, propose_all
from leanebm.serve.backends.template.backend import ranked_tactics

pytestmark = pytest.mark.lean

STATEMENTS = (
    "∀ n : Nat, (∃ k, n = 2 * k) → n % 2 = 0 ∧ (if n = 0 then 0 else n) = n",
    "∀ (xs ys : List Nat) (f : Nat → Nat), (∀ x ∈ xs, f x = x) → (xs ++ ys).map f = xs ++ ys.map f",
    "∀ (p q r : Prop) (b : Bool) (o : Option Nat), (p ∨ q) ∧ (p → r) → ¬q → (r ∨ o = none) ∨ b = true",
    "∀ (f g : Nat → Nat) (n : Nat), (∀ m, m < n → f m = g m) → f 0 = g 0 → ∃ m, m % 3 = 2 ∧ n < m ∧ f m ^ 2 ≤ 2 ^ f m",
)
"""Between them they make every family of rules speak."""


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_no_proposal_is_a_syntax_error_and_what_advances_can_be_read_again(
    lean_pool: LeanPool, statement: str
) -> None:
    # A tactic may run over its time here, as in a search; that says nothing about its syntax.
    async with ReplayingEnvironment(lean_pool).open(Theorem(name="t", statement=statement)) as proof:
        state = proof.root
        for _ in range(3):
            following = None
            for tactic in ranked_tactics(propose_all(RULES, parse_goal(state.goals[0].text)), 1.0):
                outcome = await proof.run_tactic(state, tactic.text)
                if isinstance(outcome, TacticRejected):
                    assert not _is_syntax_error(outcome.message), f"{tactic.text!r}: {outcome.message}"
                elif isinstance(outcome, ProofAdvanced):
                    parse_goal(outcome.state.goals[0].text)
                    if following is None and tactic.text.startswith(("intro", "obtain", "cases", "refine")):
                        following = outcome.state
            if following is None:
                break
            state = following


def _is_syntax_error(message: str) -> bool:
    return any(
        sign in message for sign in ("unexpected token", "unexpected identifier", "expected command", "<input>:")
    )
