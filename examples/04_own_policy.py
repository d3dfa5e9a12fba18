"""Write a policy, check that it keeps the contract, and let it meet goals as Lean prints them; without Lean."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import attrs

from leanebm.core import Candidate, Goal, ProofState, StateRef
from leanebm.testing import check_policy


@attrs.frozen
class ByShape:
    """Looks at the target's shape: introduces what is bound, splits a conjunction, computes an equation."""

    last_resort: str = "grind"
    """What is tried on every goal, after all that fits better. On a command line: `:last_resort=omega`"""

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        goal = state.goals[0]  # the next tactic acts on it; the others are there to be looked at
        weights: dict[str, float] = {self.last_resort: 1.0}
        if goal.target.startswith("∀") or "→" in goal.target:
            weights["intros"] = 6.0
        if "∧" in goal.target:
            weights["constructor"] = 4.0
        if "=" in goal.target:
            weights |= {"rfl": 2.0, "simp": 3.0}
        total = sum(weights.values())
        likeliest = sorted(weights, key=lambda tactic: -weights[tactic])[:n]
        return [Candidate(tactic, math.log(weights[tactic] / total)) for tactic in likeliest]


def shown(target: str) -> ProofState:
    return ProofState((Goal(text=f"⊢ {target}", target=target),), target, StateRef(epoch=1, state_id=0))


async def main() -> None:
    policy = ByShape()
    await check_policy(policy)
    for target in ("∀ n : Nat, n + 0 = n", "p ∧ q"):
        proposed = await policy.propose(shown(target), 3)
        print(target, "→", ", ".join(f"{each.tactic} ({math.exp(each.log_prob):.2f})" for each in proposed))


if __name__ == "__main__":
    asyncio.run(main())
