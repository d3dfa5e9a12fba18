"""What one theorem cost while it was replayed."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import attrs

from leanebm.core import Candidate, ProofSession, ProofState, TacticOutcome, TacticPolicy
from leanebm.data import CandidateFate

__all__ = ["Meter", "MeteredPolicy", "MeteredSession"]

Phase = Literal["policy", "lean", "certify"]


@attrs.define(eq=False)
class Meter:
    """Counts as a theorem is worked on. It starts when it is made."""

    fates: Counter[CandidateFate] = attrs.field(factory=Counter)
    tactic_calls: int = 0
    seconds: defaultdict[Phase, float] = attrs.field(factory=lambda: defaultdict(float))
    _started_s: float = attrs.field(factory=time.monotonic)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the meter was made."""
        return time.monotonic() - self._started_s

    @contextmanager
    def timed(self, phase: Phase) -> Iterator[None]:
        """Count the seconds until the block is left, however it is left, as spent on ``phase``."""
        started_s = time.monotonic()
        try:
            yield
        finally:
            self.seconds[phase] += time.monotonic() - started_s


@attrs.frozen
class MeteredSession:
    """A :class:`~leanebm.core.ProofSession` whose tactics are counted."""

    session: ProofSession
    meter: Meter

    @property
    def root(self) -> ProofState:
        """The state before any tactic."""
        return self.session.root

    async def run_tactic(self, state: ProofState, tactic: str) -> TacticOutcome:
        """Run ``tactic``, and count it."""
        with self.meter.timed("lean"):
            outcome = await self.session.run_tactic(state, tactic)
        self.meter.tactic_calls += 1
        return outcome

    async def free(self, states: Sequence[ProofState]) -> None:
        """Forget ``states``."""
        with self.meter.timed("lean"):
            await self.session.free(states)


@attrs.frozen
class MeteredPolicy:
    """A :class:`~leanebm.core.TacticPolicy` whose time is counted."""

    policy: TacticPolicy
    meter: Meter

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        """What the policy proposes."""
        with self.meter.timed("policy"):
            return await self.policy.propose(state, n)
