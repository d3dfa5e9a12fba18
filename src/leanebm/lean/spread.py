"""One proof on several workers, for a search that runs tactics on several states at once."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from leanebm._shown import named_repr
from leanebm.core.outcome import ProofAdvanced, ProofFinished, TacticOutcome
from leanebm.core.proof_state import ProofState, StateRef
from leanebm.core.theorem import Theorem
from leanebm.errors import LeanError
from leanebm.lean.replay import ReplayingEnvironment, ReplayingProof
from leanebm.lean.requests import time_left

_log = logging.getLogger(__name__)


class SpreadingEnvironment:
    """Opens proofs that use several workers of a pool. A :class:`~leanebm.core.ProofEnvironment`.

    Args:
        environment: opens them on one worker each.
        max_workers: workers that one proof may use, at least 1.
    """

    def __init__(self, environment: ReplayingEnvironment, max_workers: int) -> None:
        self._environment = environment
        self._max_workers = max_workers

    __repr__ = named_repr("_max_workers")

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[SpreadProof]:
        """Start a proof of ``theorem``, on one worker. Raises as :meth:`ReplayingEnvironment.open`."""
        proof = SpreadProof(self._environment, await self._environment.open(theorem), self._max_workers)
        try:
            yield proof
        finally:
            await proof.aclose()


class SpreadProof:
    """One theorem's proof, with its states on several workers. From ``async with environment.open(theorem)``.

    A state lives where it was made. If tactics are to be run on it while that worker is busy with another state of this
    proof, they go to a worker that is not, and the way to the state is replayed there first: but only if that took less
    time, when it was gone for the first time, than as many tactics take on the average here. Else they wait. Another
    worker of the pool is taken on only when it has no proof open.
    """

    def __init__(self, environment: ReplayingEnvironment, first: ReplayingProof, max_workers: int) -> None:
        self._environment = environment
        self._lanes = [first]
        self._max_workers = max_workers
        self._home: dict[StateRef, ReplayingProof] = {first.root.ref: first}
        self._load = Counter[ReplayingProof]()
        self._is_opening = False
        self._tactics, self._tactics_s = 0, 0.0

    __repr__ = named_repr("_lanes")

    @property
    def root(self) -> ProofState:
        """The state before any tactic."""
        return self._lanes[0].root

    @property
    def num_workers(self) -> int:
        """Workers in use."""
        return len(self._lanes)

    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        """Run ``tactic`` on one of ``state``'s goals; see :meth:`ReplayingProof.run_tactic`, also for its errors."""
        async with aclosing(self.run_tactics(state, (tactic,), goal=goal)) as outcomes:
            return await anext(outcomes)

    async def run_tactics(
        self, state: ProofState, tactics: Sequence[str], *, goal: int = 0, within_s: float | None = None
    ) -> AsyncGenerator[TacticOutcome, None]:
        """Run ``tactics`` one by one on one of ``state``'s goals; see :meth:`ReplayingProof.run_tactics`."""
        asked_s = asyncio.get_running_loop().time()
        lane = await self._lane_for(state.ref, len(tactics))
        self._load[lane] += 1
        try:
            outcomes = lane.run_tactics(state, tactics, goal=goal, within_s=time_left(within_s, asked_s))
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    self._tactics, self._tactics_s = self._tactics + 1, self._tactics_s + outcome.elapsed_s
                    if isinstance(outcome, ProofAdvanced | ProofFinished):
                        self._home[outcome.state.ref] = lane
                    yield outcome
        finally:
            self._load[lane] -= 1

    async def free(self, states: Sequence[ProofState]) -> None:
        """Forget states that will not be visited again."""
        for lane in self._lanes:
            await lane.free(states)
        for state in states:
            if state.ref != self.root.ref:
                self._home.pop(state.ref, None)

    async def aclose(self) -> None:
        """Forget every state and give the workers back. May be repeated."""
        for lane in self._lanes:
            await lane.aclose()

    async def _lane_for(self, ref: StateRef, tactics: int) -> ReplayingProof:
        home = self._home.get(ref)
        if home is None:
            return self._lanes[0]  # which says why it does not know the state
        if not self._load[home]:
            return home
        worth_s = tactics * self._tactics_s / max(1, self._tactics)
        idle = (lane for lane in self._lanes if not self._load[lane])
        lane = next(idle, None)
        if home.replay_s(ref, lane) >= worth_s:
            return home
        if lane is None and (lane := await self._another()) is None:
            return home
        lane.adopt(ref, home)
        return lane

    async def _another(self) -> ReplayingProof | None:
        """The proof on one more worker; ``None`` where none is to be had."""
        if self._is_opening or len(self._lanes) >= self._max_workers or not self._environment.has_idle_worker:
            return None
        self._is_opening = True
        try:
            lane = await self._environment.open(self._lanes[0].theorem)
        except LeanError as error:  # it goes on with those that it has
            _log.info("no further worker for %r: %s", self._lanes[0].theorem.name, error)
            return None
        finally:
            self._is_opening = False
        self._lanes.append(lane)
        return lane
