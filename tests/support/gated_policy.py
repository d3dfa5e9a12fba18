"""A policy that answers as often as a test allows, so that a search stands still in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from leanebm.core import Candidate, ProofState
from leanebm.testing import ScriptedPolicy, ToyWorld


class GatedPolicy:
    """The scripted policy of ``world``, which is allowed that many answers at first."""

    def __init__(self, world: ToyWorld, allowed: int) -> None:
        self._allowed = asyncio.Semaphore(allowed)
        self._policy = ScriptedPolicy.over(world)

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        await self._allowed.acquire()
        return await self._policy.propose(state, n)

    def allow(self, number: int = 1000) -> None:
        for _ in range(number):
            self._allowed.release()
