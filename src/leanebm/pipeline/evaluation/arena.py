"""Answers that searches share, so that they differ in order and in nothing else.

Two searches of one theorem ask Lean and the policy mostly the same. In an arena each question is asked once: what Lean
made of a tactic at a state, and what the policy proposed at a state. Whoever asks later gets that answer from a file
of the theorem's own, without waiting. So a further search costs little, and where two of them end differently, it is
the order in which they went through the same answers that made the difference, not a tactic that timed out for one of
them.

Proofs are not taken from the file: what a search believes in is certified anew by each invocation.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self, final

import attrs

from leanebm._cancelled import uninterrupted
from leanebm._shown import named_repr, reason
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
    TacticTimedOut,
    Theorem,
)
from leanebm.errors import ConfigError, StaleState, TrajectoryError
from leanebm.pipeline.evaluation.answer_file import AnswerFile, with_ref
from leanebm.pipeline.run_folder import write_text
from leanebm.search.answers import proposals_of
from leanebm.storage import remove_scratch_below

_MAX_VERDICTS: Final = 4096
"""Proofs of which is remembered what the certifier said: some 10 kB each."""


@final
class Arena:
    """Parts of a search that look into files of answers first, which each theorem has for itself.

    A theorem's answers are read when its proof is opened, and new ones written when that is left. So arms that come one
    after the other meet the same answers, also where they are searched by several workers, each of whom has an arena of
    its own on the same folder. What two workers ask about one theorem at the same time may be answered twice; then the
    answer stays that was there first.

    Args:
        folder: of the files; made when the first one is written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        self._open: dict[str, _OpenFile] = {}
        self._by_epoch: dict[int, AnswerFile] = {}
        self._epochs = 0
        self._verdicts: dict[tuple[Theorem, str], CertificationResult] = {}
        self.asked = 0
        """Tactics that Lean had to run."""

        self.remembered = 0
        """Tactics whose answer was there."""

    __repr__ = named_repr("_folder", "asked")

    def require(self, about: Mapping[str, Any]) -> None:
        """Refuse the folder if its answers are of other circumstances; what it does not say yet, it says from now on.

        Args:
            about: what the answers depend on, as JSON values: which Lean, which policy.

        Raises:
            ConfigError: with everything that differs.
            TrajectoryError: the folder's own words about it are damaged, or cannot be read.
        """
        path, wanted = self._folder / "about.json", json.loads(json.dumps(about))
        try:
            held = json.loads(path.read_bytes()) if path.exists() else {}
            differ = sorted(key for key in wanted if held.get(key, wanted[key]) != wanted[key])
        except OSError as error:  # what it says may be right
            raise TrajectoryError(f"{path} cannot be read: {reason(error)}") from error
        except (ValueError, AttributeError) as error:
            raise TrajectoryError(f"{path} cannot be used: {error}. Delete the folder: all is asked again") from error
        if differ:
            raise ConfigError(
                f"the answers in {self._folder} are not of this Lean and this policy; choose another folder:",
                [f"{json.dumps(wanted[key])}, there {json.dumps(held[key])} @ {key}" for key in differ],
            )
        if not wanted.keys() <= held.keys():
            write_text(path, json.dumps(held | wanted, indent=2) + "\n")

    def sweep(self) -> None:
        """Remove what workers were writing when they were killed. Others may be at work."""
        remove_scratch_below(self._folder, is_shared=True)

    def count(self, *, is_remembered: bool) -> None:
        """Count a tactic."""
        self.asked += not is_remembered
        self.remembered += is_remembered

    def environment(self, environment: ProofEnvironment) -> ProofEnvironment:
        """``environment``, asked only for what is not remembered."""
        return _RememberedEnvironment(self, environment)

    def policy(self, policy: TacticPolicy, *, attempt: int = 1) -> TacticPolicy:
        """``policy``, asked about an open proof's states only for what is not remembered.

        Each ``attempt`` has samples of its own.
        """
        return _RememberedPolicy(self, policy, "" if attempt == 1 else f"attempt {attempt}: ")

    def certifier(self, certifier: ProofCertifier) -> ProofCertifier:
        """``certifier``, asked once for each proof, unless that is long ago. Nothing of it is written down."""
        return _RememberedCertifier(self._verdicts, certifier)

    @asynccontextmanager
    async def answers(self, theorem: Theorem) -> AsyncIterator[tuple[AnswerFile, int]]:
        """The theorem's answers, and the number by which :meth:`answers_at` finds them until the block is left."""
        key = _key_of(theorem)
        held = self._open.setdefault(key, _OpenFile(self._folder / key))
        held.users += 1
        epoch = self._epochs = self._epochs + 1
        try:
            file = await held.file()
            self._by_epoch[epoch] = file
            yield file, epoch
        finally:
            self._by_epoch.pop(epoch, None)
            held.users -= 1
            if held.users == 0:
                del self._open[key]
                await held.close()

    def answers_at(self, state: ProofState) -> AnswerFile | None:
        """The answers about the theorem in whose open proof ``state`` is."""
        return self._by_epoch.get(state.ref.epoch)


@attrs.define(eq=False)
class _OpenFile:
    """A theorem's answers, which several proofs of it share while they are open."""

    path: Path
    users: int = 0
    _file: AnswerFile | None = None
    _reading: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    async def file(self) -> AnswerFile:
        async with self._reading:
            if self._file is None:
                self._file = await asyncio.to_thread(AnswerFile.read, self.path)
            return self._file

    async def close(self) -> None:
        if self._file is not None:
            await uninterrupted(asyncio.to_thread(self._file.write))


def _key_of(theorem: Theorem) -> str:
    parts = (theorem.statement, theorem.copy_from, theorem.header, theorem.context)
    return hashlib.sha256(json.dumps(parts).encode(errors="surrogatepass")).hexdigest()


@attrs.frozen
class _RememberedPolicy:
    arena: Arena
    policy: TacticPolicy
    prefix: str

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        answers = self.arena.answers_at(state)
        if answers is None:
            return await proposals_of(self.policy, state, n)
        key = f"{self.prefix}{state.key}"
        found = answers.proposal(key, n)
        if found is None:
            found = tuple(await proposals_of(self.policy, state, n))
            answers.keep_proposal(key, n, found)
        return found


@attrs.frozen
class _RememberedCertifier:
    verdicts: dict[tuple[Theorem, str], CertificationResult]
    certifier: ProofCertifier

    async def certify(self, theorem: Theorem, proof: Proof) -> CertificationResult:
        key = (theorem, repr(tuple(proof)))
        if (known := self.verdicts.get(key)) is not None:
            return known
        found = self.verdicts[key] = await self.certifier.certify(theorem, proof)
        if len(self.verdicts) > _MAX_VERDICTS:
            del self.verdicts[next(iter(self.verdicts))]  # the oldest
        return found


@attrs.frozen
class _RememberedEnvironment:
    arena: Arena
    environment: ProofEnvironment

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[ProofSession]:
        async with AsyncExitStack() as stack:
            answers, epoch = await stack.enter_async_context(self.arena.answers(theorem))
            proof = await _RememberedProof(self, theorem, stack, answers, epoch).start()
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

    def __init__(
        self,
        environment: _RememberedEnvironment,
        theorem: Theorem,
        stack: AsyncExitStack,
        answers: AnswerFile,
        epoch: int,
    ) -> None:
        self._arena = environment.arena
        self._environment = environment.environment
        self._theorem = theorem
        self._stack = stack
        self._answers = answers
        self._epoch = epoch
        self._numbers = itertools.count()
        self._places: dict[StateRef, _Place] = {}
        self._session: ProofSession | None = None
        self._asking = asyncio.Lock()
        self._root: ProofState | None = None

    async def start(self) -> Self:
        """Find the root, in the file or in the real proof."""
        root = self._answers.root()
        if root is None:
            root = (await self._open()).root
            self._answers.keep_root(root)
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
        outcome = self._answers.outcome(place.key, goal, tactic)
        self._arena.count(is_remembered=outcome is not None)
        if outcome is None:
            async with self._asking:
                session = await self._open()
                outcome = await session.run_tactic(await self._reach(session, place), tactic, goal=goal)
            self._answers.keep_outcome(place.key, goal, tactic, outcome)
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
            if isinstance(outcome, TacticTimedOut):  # on a machine that had less to do it was quicker
                raise StaleState(f"{place.tactic!r}, which leads to a remembered state, took too long this time")
            if not isinstance(outcome, ProofAdvanced | ProofFinished) or outcome.state.key != place.key:
                raise StaleState(
                    f"{place.tactic!r} led elsewhere than the remembered answer says: delete the folder of answers"
                )
            here = place.real = outcome.state
        return here
