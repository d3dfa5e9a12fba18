"""A policy that says what its script says."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Self

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import Candidate, ProofState
from leanebm.errors import PolicyError
from leanebm.testing.toy_world import ToyWorld


@attrs.frozen(kw_only=True, eq=False)
class ScriptedPolicy:
    """Looks a state up by its first goal's target, and proposes what stands there.

    A :class:`~leanebm.errors.PolicyError` in place of candidates is raised.
    """

    script: Mapping[str, Sequence[Candidate] | PolicyError]
    default: Sequence[Candidate] = ()
    """What it proposes for a state that the script does not know."""

    asked: list[str] = attrs.field(init=False, factory=list)
    """The targets it was asked about, in order."""

    __repr__ = fitting_repr

    @classmethod
    def of(cls, script: Mapping[str, Mapping[str, float]]) -> Self:
        """A script written as target, then tactic, then probability."""
        return cls(script={target: _candidates(row) for target, row in script.items()})

    @classmethod
    def over(cls, world: ToyWorld, *, seed: int = 0, num_wrong: int = 1) -> Self:
        """Propose all moves of ``world``, and ``num_wrong`` that no state has, with random probabilities.

        Equal seeds give equal scripts, on every machine.
        """
        wrong = [f"wrong{i}" for i in range(num_wrong)]
        return cls(
            script={
                name: _weighted([*arrows, *wrong], random.Random(f"{seed}/{name}"))  # noqa: S311 - not a secret
                for name, arrows in world.moves.items()
            }
        )

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        """The first ``n`` candidates of the script.

        Raises:
            PolicyError: the script says so.
        """
        target = state.goals[0].target
        self.asked.append(target)
        lines = self.script.get(target, self.default)
        if isinstance(lines, PolicyError):
            raise lines
        return lines[:n]


def _weighted(tactics: Sequence[str], rng: random.Random) -> list[Candidate]:
    weights = {tactic: rng.uniform(0.05, 1.0) for tactic in tactics}
    total = sum(weights.values())
    return _candidates({tactic: weight / total for tactic, weight in weights.items()})


def _candidates(probabilities: Mapping[str, float]) -> list[Candidate]:
    candidates = [Candidate(tactic, math.log(probability)) for tactic, probability in probabilities.items()]
    return sorted(candidates, key=lambda candidate: -candidate.log_prob)
