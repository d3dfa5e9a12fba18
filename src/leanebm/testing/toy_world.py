"""A proof world small enough to see through: a finite graph instead of Lean.

States are names, tactics are labels of arrows, and a proof is a path to :data:`QED`. It has
everything that makes proof search hard, in microseconds: many paths to one state, ways back, dead
ends, an end that nothing in a state's text gives away, tactics that time out, proofs that are refused
afterwards, and a worker that dies.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Self

import attrs
from attrs.validators import ge

from leanebm._shown import fitting_repr, named_repr
from leanebm.core import (
    Certificate,
    CertificationRejected,
    CertificationResult,
    Goal,
    Proof,
    ProofAdvanced,
    ProofFinished,
    ProofState,
    ProofStep,
    StateRef,
    TacticOutcome,
    TacticRejected,
    TacticTimedOut,
    Theorem,
)
from leanebm.core.proof_script import indented, tactic_blocks
from leanebm.errors import StaleState, StatementError, WorkerDied


@attrs.define
class ManualClock:
    """Call it to read it, :meth:`advance` it to let time pass; so tests about time need not wait."""

    now_s: float = 0.0
    step_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Seconds that pass at each reading, after it."""

    def __call__(self) -> float:
        """Seconds since the clock was made."""
        reading = self.now_s
        self.now_s += self.step_s
        return reading

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        if seconds < 0:
            raise ValueError(f"a clock does not go back by {-seconds} seconds")
        self.now_s += seconds


QED: Final = "∎"
"""Target of a tactic that leaves no goal."""

TIMEOUT: Final = "⏲"
"""Target of a tactic that runs into a limit."""

LOST: Final = "†"
"""Target of a tactic that kills the worker."""

Moves = Mapping[str, Mapping[str, str]]

_AND: Final = " & "


@attrs.frozen(kw_only=True, eq=False)
class ToyWorld:
    """A graph of states, and a :class:`~leanebm.core.ProofEnvironment` over it.

    A theorem's statement is the name of the state where its proof begins.
    """

    moves: Moves
    """Goal, then tactic, then where it leads: a goal, several (``b & c``), or one of the three ends above.

    Goals of one state are independent of one another. The state goes by their names, ``b & c``.
    """

    cheats: frozenset[tuple[str, str]] = frozenset()
    """``(state, tactic)`` pairs that work in a search and that no certifier accepts."""

    clock: ManualClock = attrs.field(factory=ManualClock)
    """What elapsed times are read from; each tactic advances it by ``tactic_s``."""

    tactic_s: float = 0.0
    """Seconds that a tactic takes on ``clock``."""

    _epochs: Iterator[int] = attrs.field(init=False, factory=itertools.count)

    __repr__ = fitting_repr

    @classmethod
    def countdown(cls, largest: int) -> Self:
        """Numbers up to ``largest``, to be brought down to 1, where ``done`` ends the proof.

        ``halve`` needs an even number, ``double`` must stay in bounds, ``decrement`` always works above
        1, ``negate`` is a way into a dead end. Halving after doubling goes back, and most numbers are
        reached in many ways.
        """
        moves: dict[str, dict[str, str]] = {"1": {"done": QED}}
        for n in range(1, largest + 1):
            arrows = moves.setdefault(str(n), {})
            if n > 1:
                arrows["decrement"] = str(n - 1)
            if n % 2 == 0:
                arrows["halve"] = str(n // 2)
            if 2 * n <= largest:
                arrows["double"] = str(2 * n)
            arrows["negate"] = str(-n)
            moves[str(-n)] = {}
        return cls(moves=moves)

    @classmethod
    def seeded(cls, seed: int, *, num_states: int = 30, branching: int = 4) -> Self:
        """A random graph whose states are ``s0`` (the root), ``s1`` …; equal seeds give equal graphs.

        Each state has up to ``branching`` arrows, to anywhere, itself included. The last state, and
        only that, has a way out, which a proof may or may not reach.
        """
        rng = random.Random(seed)  # noqa: S311 - a game, not a secret
        names = [f"s{i}" for i in range(num_states)]
        moves = {
            name: {f"t{j}": rng.choice([*names, TIMEOUT]) for j in range(rng.randint(1, branching))} for name in names
        }
        moves[names[-1]]["finish"] = QED
        return cls(moves=moves)

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[ToySession]:
        """Start a proof at the state that ``theorem.statement`` names.

        Raises:
            StatementError: there is no such state.
        """
        session = ToySession(self, self.start(theorem), epoch=next(self._epochs))
        try:
            yield session
        finally:
            session.close()

    def start(self, theorem: Theorem) -> str:
        """The name of the state where the proof of ``theorem`` begins.

        Raises:
            StatementError: there is no such state.
        """
        start = theorem.statement
        if start is None or start not in self.moves:
            raise StatementError("parse", f"there is no state {theorem.display!r} in this world", command="open")
        return start

    def replay(self, name: str, tactics: Sequence[str]) -> str | None:
        """Where ``tactics`` lead from the state ``name``; ``None`` if one of them does not apply."""
        for tactic in tactics:
            target = self.step(name, tactic)
            if target is None or target in (TIMEOUT, LOST):
                return None
            name = target
        return name

    def step(self, name: str, tactic: str, goal: int = 0) -> str | None:
        """Where ``tactic`` leads when it runs on a goal of the state ``name``; ``None`` if it does not apply."""
        goals = _goals_of(name)
        target = self.moves.get(goals[goal], {}).get(tactic) if goal < len(goals) else None
        if target is None or target in (TIMEOUT, LOST):
            return target
        return _AND.join([*_goals_of(target), *goals[goal + 1 :], *goals[:goal]]) or QED


class ToySession:
    """One proof in a :class:`ToyWorld`; strict about states it does not hold (any more)."""

    def __init__(self, world: ToyWorld, start: str, *, epoch: int) -> None:
        self._world = world
        self._epoch = epoch
        self._ids = itertools.count()
        self._names: dict[StateRef, str] = {}
        self._root = self._state(start)

    __repr__ = named_repr("_root")

    @property
    def root(self) -> ProofState:
        """The state before any tactic."""
        return self._root

    @property
    def num_live_states(self) -> int:
        """States that were made and not freed."""
        return len(self._names)

    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        """Follow the arrow ``tactic`` out of one of ``state``'s goals.

        Raises:
            ValueError: ``state`` has no goal of that number.
            WorkerDied: the arrow leads to :data:`LOST`.
            StaleState: ``state`` is another session's, or was freed.
        """
        await asyncio.sleep(0)  # as with any real session, others run meanwhile, and a cancellation arrives
        name = self._names.get(state.ref)
        if name is None:
            raise StaleState(f"state {state.ref} is not one of session {self._epoch}, or was freed")
        if goal:
            state.check_goal(goal)
        elapsed_s = self._world.tactic_s
        self._world.clock.advance(elapsed_s)
        target = self._world.step(name, tactic, goal)
        if target is None:
            return TacticRejected(f"unknown tactic {tactic!r} at {name}", elapsed_s)
        if target == TIMEOUT:
            return TacticTimedOut(f"{tactic!r} ran out of heartbeats", elapsed_s)
        if target == LOST:
            raise WorkerDied(f"{tactic!r} killed the worker", command="goal.tactic", epoch=self._epoch)
        state = self._state(target)
        return ProofFinished(state, elapsed_s) if state.is_solved else ProofAdvanced(state, elapsed_s)

    async def free(self, states: Sequence[ProofState]) -> None:
        """Forget ``states``."""
        for state in states:
            self._names.pop(state.ref, None)

    def close(self) -> None:
        """Forget all states."""
        self._names.clear()

    def _state(self, name: str) -> ProofState:
        ref = StateRef(epoch=self._epoch, state_id=next(self._ids))
        self._names[ref] = name
        goals = tuple(Goal(text=f"⊢ {goal}", target=goal) for goal in _goals_of(name))
        return ProofState(goals=goals, key=name, ref=ref, coupling=tuple(range(len(goals))))


@attrs.frozen(eq=False)
class ToyCertifier:
    """Accepts a proof if, replayed from the start, it ends at :data:`QED` and no step is a cheat."""

    world: ToyWorld

    __repr__ = fitting_repr

    async def certify(self, theorem: Theorem, proof: Proof) -> CertificationResult:
        """Replay ``proof`` from the beginning.

        Raises:
            StatementError: the theorem is not one of this world.
            WorkerDied: a tactic leads to :data:`LOST`.
        """
        start = self.world.start(theorem)
        tactics = tactic_blocks(proof)
        source = "\n".join([f"theorem {theorem.name} : {start} := by", *(indented(t, "  ") for t in tactics)]) + "\n"
        try:
            self._replay(start, proof, itertools.count(1))
        except _NoProof as problem:
            reason, message = problem.args
            return CertificationRejected(
                theorem=theorem, source=source, tactics=tactics, reason=reason, message=message
            )
        return Certificate(
            theorem=theorem,
            source=source,
            tactics=tactics,
            statement=start,
            fingerprint=hashlib.sha256(start.encode()).hexdigest(),
            axioms=(),
            constants=(),
            lean_version="none: a toy world",
            backend="toy",
            imports=(),
        )

    def _replay(self, name: str, proof: Proof, numbers: Iterator[int]) -> None:
        """Run ``proof`` from the state ``name`` to its end, counting its steps."""
        for step, number in zip(map(_as_step, proof), numbers, strict=False):
            if (*_goals_of(name)[step.goal : step.goal + 1], step.tactic) in self.world.cheats:
                raise _NoProof("axioms", f"step {number}, {step.tactic!r}, is a cheat")
            target = self.world.step(name, step.tactic, step.goal)
            if target == LOST:
                raise WorkerDied(f"{step.tactic!r} killed the certifier", command="proof.certify")
            if target is None or target == TIMEOUT:
                raise _NoProof("elaboration", f"step {number}, {step.tactic!r}, does not apply at {name}")
            for child in step.children:
                first, _, others = target.partition(_AND)
                self._replay(first, child, numbers)
                target = others or QED
            name = target
        if name != QED:
            raise _NoProof("elaboration", f"the goal {name} is left")


class _NoProof(Exception):
    """Why a proof is rejected: reason and message."""


def _as_step(step: str | ProofStep) -> ProofStep:
    return ProofStep(step) if isinstance(step, str) else step


def _goals_of(name: str) -> list[str]:
    return [] if name == QED else name.split(_AND)
