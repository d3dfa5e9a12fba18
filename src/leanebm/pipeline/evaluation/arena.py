"""Answers that searches share, so that they differ in order and in nothing else.

Two searches of one theorem ask Lean and the policy mostly the same. In an arena each question is asked once: what Lean
made of a tactic at a state, and what the policy proposed at a state. Whoever asks later gets that answer from a file,
without waiting. So a further search costs little, and where two of them end differently, it is the order in which they
went through the same answers that made the difference, not a tactic that timed out for one of them.

Proofs are not taken from the file: what a search believes in is certified anew by each invocation.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self, final

import attrs

from leanebm._shown import named_repr
from leanebm.core import (
    Candidate,
    CertificationResult,
    Proof,
    ProofAdvanced,
    ProofCertifier,
    ProofEnvironment,
    ProofFinished,
    ProofSession,
    ProofState,
    StateRef,
    TacticOutcome,
    TacticPolicy,
    Theorem,
)
from leanebm.errors import StaleState
from leanebm.pipeline.evaluation.answer_file import AnswerFile, with_ref


@final
class Arena:
    """Parts of a search that look into a file of answers first.

    Args:
        answers: the file.
    """

    def __init__(self, answers: AnswerFile) -> None:
        self.answers = answers
        self.epochs = itertools.count()
        """Numbers for the proofs that are opened."""

        self._verdicts: dict[tuple[Theorem, str], CertificationResult] = {}
        self.asked = 0
        """Tactics that Lean had to run."""

        self.remembered = 0
        """Tactics whose answer was there."""

    __repr__ = named_repr("asked")

    def count(self, *, is_remembered: bool) -> None:
        """Count a tactic."""
        self.asked += not is_remembered
        self.remembered += is_remembered

    def environment(self, environment: ProofEnvironment) -> ProofEnvironment:
        """``environment``, asked only for what is not remembered."""
        return _RememberedEnvironment(self, environment)

    def policy(self, policy: TacticPolicy, *, attempt: int = 1) -> TacticPolicy:
        """``policy``, asked only for what is not remembered; each ``attempt`` has samples of its own."""
        return _RememberedPolicy(self, policy, "" if attempt == 1 else f"attempt {attempt}: ")

    def certifier(self, certifier: ProofCertifier) -> ProofCertifier:
        """``certifier``, asked once for each proof while the arena is open. Nothing of it is written down."""
        return _RememberedCertifier(self._verdicts, certifier)


def _key_of(theorem: Theorem) -> str:
    parts = (theorem.statement, theorem.copy_from, theorem.header, theorem.context)
    return hashlib.sha256(json.dumps(parts).encode(errors="surrogatepass")).hexdigest()


@attrs.frozen
class _RememberedPolicy:
    arena: Arena
    policy: TacticPolicy
    prefix: str

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        key = f"{self.prefix}{state.key}"
        found = self.arena.answers.proposal(key, n)
        if found is None:
            found = tuple(await self.policy.propose(state, n))
            self.arena.answers.keep_proposal(key, n, found)
        return found


@attrs.frozen
class _RememberedCertifier:
    verdicts: dict[tuple[Theorem, str], CertificationResult]
    certifier: ProofCertifier

    async def certify(self, theorem: Theorem, proof: Proof) -> CertificationResult:
        key = (theorem, repr(tuple(proof)))
        if key not in self.verdicts:
            self.verdicts[key] = await self.certifier.certify(theorem, proof)
        return self.verdicts[key]


@attrs.frozen
class _RememberedEnvironment:
    arena: Arena
    environment: ProofEnvironment

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[ProofSession]:
        async with AsyncExitStack() as stack:
            proof = await _RememberedProof(self.arena, self.environment, theorem, stack).start()
            stack.callback(proof.close)
            yield proof


@attrs.define(eq=False)
class _Place:
    """A state of a remembered proof, and where it is in the real one."""

    key: str
    parent: _Place | None
    tactic: str
    goal: int
    real: ProofState | None = None
    """``None`` where nobody has needed it, or it was freed."""


class _RememberedProof:
    """One theorem's proof, opened for real when the first answer is missing."""

    def __init__(self, arena: Arena, environment: ProofEnvironment, theorem: Theorem, stack: AsyncExitStack) -> None:
        self._arena = arena
        self._environment = environment
        self._theorem = theorem
        self._stack = stack
        self._key = _key_of(theorem)
        self._epoch = next(arena.epochs)
        self._numbers = itertools.count()
        self._places: dict[StateRef, _Place] = {}
        self._session: ProofSession | None = None
        self._asking = asyncio.Lock()
        self._root: ProofState | None = None

    async def start(self) -> Self:
        """Find the root, in the file or in the real proof."""
        root = self._arena.answers.root(self._key)
        if root is None:
            root = (await self._open()).root
            self._arena.answers.keep_root(self._key, root)
        self._root = attrs.evolve(root, ref=self._place(_Place(root.key, None, "", 0)))
        return self

    @property
    def root(self) -> ProofState:
        """The state before any tactic."""
        if self._root is None:
            raise AssertionError("the proof was not started")
        return self._root

    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        place = self._places.get(state.ref)
        if place is None:
            raise StaleState("the state was freed, or belongs to another proof")
        state.check_goal(goal)
        real: ProofState | None = None
        outcome = self._arena.answers.outcome(self._key, place.key, goal, tactic)
        self._arena.count(is_remembered=outcome is not None)
        if outcome is None:
            async with self._asking:
                session = await self._open()
                outcome = await session.run_tactic(await self._reach(session, place), tactic, goal=goal)
            self._arena.answers.keep_outcome(self._key, place.key, goal, tactic, outcome)
            real = outcome.state if isinstance(outcome, ProofAdvanced | ProofFinished) else None
        if isinstance(outcome, ProofAdvanced | ProofFinished):
            return with_ref(outcome, self._place(_Place(outcome.state.key, place, tactic, goal, real)))
        return outcome

    async def free(self, states: Sequence[ProofState]) -> None:
        """Forget states; how they were reached is kept, for their descendants."""
        freed = [place for state in states if (place := self._places.pop(state.ref, None)) is not None]
        real = [place.real for place in freed if place.real is not None and place.parent is not None]
        for place in freed:
            place.real = None
        if real and self._session is not None:
            await self._session.free(real)

    def close(self) -> None:
        """Forget every state."""
        self._places.clear()

    def _place(self, place: _Place) -> StateRef:
        ref = StateRef(self._epoch, next(self._numbers))
        self._places[ref] = place
        return ref

    async def _open(self) -> ProofSession:
        if self._session is None:
            self._session = await self._stack.enter_async_context(self._environment.open(self._theorem))
        return self._session

    async def _reach(self, session: ProofSession, target: _Place) -> ProofState:
        """The real state of ``target``, by the tactics that led there."""
        path = []
        at: _Place = target
        while at.real is None and at.parent is not None:
            path.append(at)
            at = at.parent
        here = session.root if at.real is None else at.real
        for place in reversed(path):
            outcome = await session.run_tactic(here, place.tactic, goal=place.goal)
            if not isinstance(outcome, ProofAdvanced | ProofFinished) or outcome.state.key != place.key:
                raise StaleState(
                    f"{place.tactic!r} led elsewhere than the remembered answer says: delete the file of answers"
                )
            here = place.real = outcome.state
        return here
