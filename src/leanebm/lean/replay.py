"""Proofs that survive the loss of their worker.

A proof state lives in one process and dies with it. A :class:`ReplayingProof` remembers by which
tactics each state was reached. When its worker is lost or replaced, it opens the theorem on another
one, and replays the tactics that lead to a state when that state is next needed, no sooner.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from functools import partial

import attrs

from leanebm._shown import named_repr, shown
from leanebm.core.outcome import ProofAdvanced, ProofFinished, TacticOutcome, TacticTimedOut
from leanebm.core.proof_state import ProofState, StateRef
from leanebm.core.theorem import Theorem
from leanebm.errors import ProtocolError, StaleState, WorkerDied, WorkerLost, WorkerTimeout
from leanebm.lean._process import LineTooLongError
from leanebm.lean.pool import LeanPool
from leanebm.lean.proof import Opening, ProofHandle, closed
from leanebm.lean.requests import StartRequest, goal_start, time_left

_log = logging.getLogger(__name__)
_DEATHS_THAT_BLAME = 2
_EVICTIONS_PER_REPLAY = 10


class ReplayingEnvironment:
    """Opens proofs on a pool that move to another worker when theirs is lost.

    A :class:`~leanebm.core.ProofEnvironment`.
    """

    def __init__(self, pool: LeanPool, *, max_replays: int = 3, asking: StartRequest = goal_start) -> None:
        """Wrap ``pool``.

        Args:
            pool: An entered pool.
            max_replays: Workers that one proof may lose in a row under its own requests. It may lose ten times
                as many to the tactics of other proofs, or to their replacement in good order. Each tactic
                that is answered starts the counts anew.
            asking: makes the request that opens a proof.
        """
        self._pool = pool
        self._asking = asking
        self._max_replays = max_replays

    __repr__ = named_repr("_pool")

    @property
    def has_idle_worker(self) -> bool:
        """Whether the pool has a worker on which no proof is open."""
        return self._pool.has_idle_worker

    def open(self, theorem: Theorem | str) -> Opening[ReplayingProof, ReplayingProof]:
        """Start a proof of ``theorem``: for an ``async with`` block, or ``await`` it. Raises as ``LeanPool.open``."""
        theorem = Theorem.read(theorem)
        return Opening(partial(self._open, theorem), partial(self._open, theorem))

    async def _open(self, theorem: Theorem) -> ReplayingProof:
        return ReplayingProof(self._pool, await self._open_once_or_twice(theorem), self._max_replays, self._asking)

    async def _open_once_or_twice(self, theorem: Theorem) -> ProofHandle:
        try:
            return await self._pool.open(theorem, asking=self._asking)
        except WorkerLost as loss:
            if not self._max_replays:
                raise
            _log.info("opening %r once more: %s", theorem.name, loss)
        return await self._pool.open(theorem, asking=self._asking)


@attrs.define(eq=False)
class _Step:
    """How a state was reached, and where it is now."""

    parent: StateRef
    tactic: str
    goal: int
    key: str
    here: ProofState | None
    """The state on the present worker; ``None`` where it has to be replayed first."""

    is_freed: bool = False
    elapsed_s: float = 0.0
    """Seconds that the tactic took."""


class _ReplayDivergedError(StaleState):
    """The same tactics led elsewhere this time; replaying once more would not help."""


class ReplayingProof:
    """One theorem's proof, on whichever worker lives. From ``async with environment.open(theorem)``.

    **A tactic that costs its worker.** If a worker gave no answer *to this very tactic* in time, or one that
    was too long to be taken, or if two workers in a row ended under it, the tactic is answered with
    :class:`~leanebm.core.TacticTimedOut`, for this state only. That is what is known: it ran into a limit
    (time, length, memory, stack) that Lean did not catch. It is not ``TacticRejected``, for Lean never
    refused it. A worker that ends may have been killed from outside, so one death blames nobody. The tactics
    that merely waited behind it are run again. Every other loss that goes on (answers that break the protocol,
    workers that cannot be started) is raised.
    """

    def __init__(self, pool: LeanPool, handle: ProofHandle, max_replays: int, asking: StartRequest) -> None:
        self._pool = pool
        self._handle = handle
        self._max_replays = max_replays
        self._asking = asking
        # A state goes by the reference that its first worker gave it, which nothing else will ever have.
        self._root = handle.root
        self._origin = _Step(handle.root.ref, "", 0, handle.root.key, handle.root)
        self._steps = {handle.root.ref: self._origin}
        self._moving = asyncio.Lock()
        self._losses_in_a_row = 0
        self._evictions_in_a_row = 0
        self._is_closed = False
        self.num_replays = 0
        """Times the proof moved to another worker."""

    __repr__ = named_repr("_handle")

    @property
    def theorem(self) -> Theorem:
        """What is being proved."""
        return self._handle.theorem

    @property
    def root(self) -> ProofState:
        """The state before any tactic."""
        return self._root

    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        """Run ``tactic`` on one of ``state``'s goals, on another worker if need be; see :meth:`ProofHandle.run_tactic`.

        Raises:
            ValueError: ``state`` has no goal of that number.
            WorkerLost: workers were lost time after time; nothing is known about the tactic.
            StaleState: ``state`` belongs to another proof or was freed, or its tactics led elsewhere
                when they were replayed.
        """
        async with aclosing(self.run_tactics(state, (tactic,), goal=goal)) as outcomes:
            return await anext(outcomes)

    async def run_tactics(
        self, state: ProofState, tactics: Sequence[str], *, goal: int = 0, within_s: float | None = None
    ) -> AsyncGenerator[TacticOutcome, None]:
        """Run ``tactics`` one by one on one of ``state``'s goals; see :meth:`ProofHandle.run_tactics`.

        What was answered before a worker was lost is not run again. Raises as :meth:`run_tactic`.
        """
        self._check_live(state)
        num_answered, deaths = 0, 0
        asked_s = asyncio.get_running_loop().time()
        while num_answered < len(tactics):
            handle, here = await self._reach(state.ref)
            rest = tactics[num_answered:]
            left_s = time_left(within_s, asked_s)
            if num_answered and left_s == 0:
                return
            outcomes = handle.run_tactics(here, rest, goal=goal, within_s=left_s)
            try:
                async with aclosing(outcomes):
                    async for outcome in outcomes:
                        tactic, num_answered, deaths = tactics[num_answered], num_answered + 1, 0
                        self._note(handle, state, tactic, goal, outcome)
                        yield outcome
            except WorkerLost as loss:
                deaths += isinstance(loss, WorkerDied)
                if (blame := _blame(loss, deaths)) is None:
                    await self._move(handle, loss)
                    continue
                tactic, num_answered, deaths = tactics[num_answered], num_answered + 1, 0
                self._start_counts_anew()
                yield TacticTimedOut(f"{shown(tactic)}: {blame}", loss.elapsed_s)
            except StaleState as stale:
                await self._move(handle, stale)
            else:
                return

    def _note(self, handle: ProofHandle, state: ProofState, tactic: str, goal: int, outcome: TacticOutcome) -> None:
        """Remember how a state was reached that ``handle``'s worker made."""
        self._start_counts_anew()
        if isinstance(outcome, ProofAdvanced | ProofFinished):
            made = outcome.state
            here_now = made if handle is self._handle else None
            self._steps[made.ref] = _Step(state.ref, tactic, goal, made.key, here_now, elapsed_s=outcome.elapsed_s)

    async def free(self, states: Sequence[ProofState]) -> None:
        """Forget states that will not be visited again. How they were reached is kept, for their descendants."""
        freed = [self._steps[state.ref] for state in states if self._knows(state)]
        located = [step.here for step in freed if step.here is not None]
        for step in freed:
            step.is_freed, step.here = True, None
        # Every replay starts at the root, so the worker keeps that one.
        self._origin.here = self._handle.root
        await self._handle.free([state for state in located if state is not self._handle.root])

    async def aclose(self) -> None:
        """Forget every state and give the worker back. May be repeated."""
        self._is_closed = True
        await self._handle.aclose()

    # --- the same proof on several workers ---

    def replay_s(self, ref: StateRef, other: ReplayingProof | None) -> float:
        """Seconds that the tactics took which ``other`` (``None``: a new proof) has to replay for the state ``ref``."""
        return sum(step.elapsed_s for _, step in self.way_to(ref, other))

    def adopt(self, ref: StateRef, other: ReplayingProof) -> None:
        """Learn from ``other``, a proof of the same theorem, how to get to its state ``ref``. Nothing is run yet."""
        for at, step in other.way_to(ref, self):
            self._steps.setdefault(at, attrs.evolve(step, here=None))
            ref = step.parent
        # The way began at a state that is here, or at the root, under the name that it has in the ways of ``other``.
        self._steps.setdefault(ref, self._origin)

    def way_to(self, ref: StateRef, other: ReplayingProof | None) -> Iterator[tuple[StateRef, _Step]]:
        """The steps on the way back from ``ref`` to a state that ``other`` holds."""
        while (step := self._steps[ref]) is not self._origin and not (other is not None and other.holds(ref)):
            yield ref, step
            ref = step.parent

    def holds(self, ref: StateRef) -> bool:
        """Whether the state is on the present worker."""
        step = self._steps.get(ref)
        return step is not None and step.here is not None

    # --- moving to another worker ---

    async def _reach(self, target: StateRef) -> tuple[ProofHandle, ProofState]:
        """The state ``target`` on the present worker, replayed if it is not there yet."""
        while True:
            handle, here = self._handle, self._steps[target].here
            if here is not None:
                return handle, here
            try:
                async with self._moving:  # two tasks must not replay the same path side by side
                    handle = self._handle
                    return handle, await self._replay(handle, target)
            except _ReplayDivergedError:
                raise
            except (WorkerLost, StaleState) as loss:
                await self._move(handle, loss)

    async def _replay(self, handle: ProofHandle, target: StateRef) -> ProofState:
        path = []
        at = target
        while (here := self._steps[at].here) is None:
            path.append(self._steps[at])
            at = self._steps[at].parent
        for step in reversed(path):
            outcome = await handle.run_tactic(here, step.tactic, goal=step.goal)
            if not isinstance(outcome, ProofAdvanced | ProofFinished) or outcome.state.key != step.key:
                raise _ReplayDivergedError(
                    f"replaying {step.tactic!r} on another worker led elsewhere ({type(outcome).__name__})"
                )
            here = step.here = outcome.state
        passed = [step for step in path[1:] if step.is_freed]
        await handle.free([step.here for step in passed if step.here is not None])
        for step in passed:
            step.here = None
        return here

    async def _move(self, lost: ProofHandle, loss: WorkerLost | StaleState) -> None:
        """Open the theorem on another worker, unless another task has done so already."""
        async with self._moving:
            if self._handle is not lost:
                return
            while self._handle is lost:
                self._count(loss)
                await lost.aclose()
                for step in self._steps.values():
                    step.here = None
                try:
                    self._handle = await self._pool.open(lost.theorem, asking=self._asking)
                except WorkerLost as again:
                    loss = again
            if self._is_closed:
                await self._handle.aclose()
            self._origin.here = self._handle.root
            self.num_replays += 1
            _log.info("proof of %r moves to the worker with pid %d: %s", lost.theorem.name, self._handle.pid, loss)

    def _count(self, loss: WorkerLost | StaleState) -> None:
        """Raise ``loss`` where going on is pointless."""
        if isinstance(loss, StaleState):
            self._evictions_in_a_row += 1
        else:
            self._losses_in_a_row += 1
        too_many = (
            self._losses_in_a_row > self._max_replays
            or self._evictions_in_a_row > _EVICTIONS_PER_REPLAY * self._max_replays
        )
        if too_many or self._is_closed:
            raise loss

    def _start_counts_anew(self) -> None:
        self._losses_in_a_row = self._evictions_in_a_row = 0

    # --- states ---

    def _knows(self, state: ProofState) -> bool:
        step = self._steps.get(state.ref)
        return step is not None and not step.is_freed

    def _check_live(self, state: ProofState) -> None:
        if self._is_closed:
            raise StaleState(closed(self.theorem))
        if not self._knows(state):
            raise StaleState("the state was freed, or belongs to another proof")


def _blame(loss: WorkerLost, deaths: int) -> str | None:
    """Why a tactic is to blame for the loss of its worker; ``None`` where it need not be."""
    match loss:
        case WorkerTimeout():
            return str(loss)
        case ProtocolError(__cause__=LineTooLongError()):
            return str(loss)
        case WorkerDied() if deaths == _DEATHS_THAT_BLAME:
            return f"two workers ended under this tactic; the second: {loss}"
    return None
