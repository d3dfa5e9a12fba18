"""A recording of what the parts of a session answered, and its replay."""

from __future__ import annotations

import os
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeVar, final

import attrs

from leanebm._shown import cut, named_repr
from leanebm.cassette import _codec as codec
from leanebm.cassette._codec import Question
from leanebm.cassette._tape import Recording, Replay
from leanebm.core import (
    Candidate,
    CertificationResult,
    EncoderIdentity,
    EnergyModel,
    Proof,
    ProofCertifier,
    ProofEnvironment,
    ProofSession,
    ProofState,
    StateEncoder,
    TacticOutcome,
    TacticPolicy,
    Theorem,
)
from leanebm.core.proof_script import tactic_blocks
from leanebm.errors import ConfigError

P = TypeVar("P")
T = TypeVar("T")

Tape = Recording | Replay

DEFAULT_MAX_BYTES: Final = 2**30
"""How much a cassette may hold, unpacked: about a million tactics. On the disk it is ten times smaller."""

_MAX_SHOWN: Final = 400


@final
class Cassette:
    """What the parts of a session answered, in one file that can be attached to a bug report.

    From ``with Cassette.record(path)``, whose parts ask the real ones and write down what these say, or from
    ``Cassette.replay(path)``, whose parts answer from the file and need no real ones. Both are used alike:

    .. code-block:: python

        with Cassette.record("session.jsonl.gz") as cassette:
            search = BestFirstSearch(
                policy=cassette.policy(policy),
                environment=cassette.environment(environment),
                certifier=cassette.certifier(certifier),
            )

    An answer goes by what was asked: by the state that it was asked about, down to which instance of it, and among
    equal questions by their order. So searches that ran at the same time replay alike. leanebm's own errors, such as a
    lost worker, are answers; a question that was cancelled has none. What a replayed certifier says is what it said
    then: Lean is not asked again.

    The file is gzipped JSON lines. It holds theorems, states, tactics and messages in the clear, and no API key.
    """

    def __init__(self, tape: Any) -> None:
        self._tape: Tape = tape

    __repr__ = named_repr("_tape")

    @classmethod
    @contextmanager
    def record(cls, path: str | os.PathLike[str], *, max_bytes: int = DEFAULT_MAX_BYTES) -> Iterator[Self]:
        """Record into a new file at ``path``; its folder is made if it is not there.

        What was answered before a kill is on the file, up to the last few answers. A recording that is full,
        or whose disk is, ends; what is recorded goes on.

        Args:
            path: of the file.
            max_bytes: what it may hold, unpacked; further answers are left out, and a warning says how many.

        Raises:
            ConfigError: the file is there already.
            OSError: the file cannot be written; what was recorded has come to its end by then.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("xb")
        except FileExistsError:
            raise ConfigError(f"{path} already exists", ["remove it, or record into another file"]) from None
        with file:
            tape = Recording(file, max_bytes=max_bytes)
            try:
                yield cls(tape)
            except BaseException as error:
                tape.broken_off_by = type(error).__name__
                raise
            finally:
                if tape.is_empty:  # whatever was to be recorded never began
                    path.unlink(missing_ok=True)
                tape.close()

    @classmethod
    def replay(cls, path: str | os.PathLike[str], *, max_bytes: int = DEFAULT_MAX_BYTES) -> Self:
        """Replay the file at ``path``; it is read whole, and each of its answers is given once.

        Args:
            path: of the file.
            max_bytes: the most that is read, unpacked.

        Raises:
            ConfigError: it cannot be read, is not a cassette, is damaged, or holds more.
        """
        return cls(Replay(Path(path), max_bytes=max_bytes))

    @property
    def is_replay(self) -> bool:
        """Whether answers come from the file."""
        return isinstance(self._tape, Replay)

    @property
    def about(self) -> Mapping[str, Any]:
        """What was noted of the session, as JSON values."""
        return self._tape.about

    def note(self, **facts: Any) -> None:
        """Write down JSON values under names, such as versions and settings. A replay keeps what it has."""
        self._tape.note(facts)

    def note_theorems(self, theorems: Sequence[Theorem]) -> None:
        """Write down which theorems the session is about."""
        self.note(theorems=[codec.theorem_value(theorem) for theorem in theorems])

    @property
    def theorems(self) -> tuple[Theorem, ...]:
        """The theorems that the session was about.

        Raises:
            ConfigError: nobody noted them.
        """
        try:
            return tuple(map(codec.theorem_from, self.about["theorems"]))
        except Exception as error:
            raise ConfigError("the cassette does not say which theorems it is about: name them") from error

    # --- parts --------------------------------------------------------------------------------------

    def environment(self, real: ProofEnvironment | None = None) -> ProofEnvironment:
        """Opens proofs: ``real``, recorded, or its recording.

        Raises:
            TypeError: this is no replay, and there is nothing to record. So with the other parts.
        """
        return _Environment(self._tape, self._checked(real))

    def policy(self, real: TacticPolicy | None = None) -> TacticPolicy:
        """Proposes tactics: ``real``, recorded, or its recording."""
        return _Policy(self._tape, self._checked(real))

    def certifier(self, real: ProofCertifier | None = None) -> ProofCertifier:
        """Certifies proofs: ``real``, recorded, or what it said when it was."""
        return _Certifier(self._tape, self._checked(real))

    def energy_model(self, real: EnergyModel | None = None) -> EnergyModel:
        """Gives states energies: ``real``, recorded, or its recording."""
        return _EnergyModel(self._tape, self._checked(real))

    def encoder(self, real: StateEncoder | None = None) -> StateEncoder:
        """Makes vectors: ``real``, recorded, or its recording."""
        return _Encoder(self._tape, self._checked(real))

    def _checked(self, real: P | None) -> P | None:
        if real is None and not self.is_replay:
            raise TypeError("a recording needs a real part to ask")
        return real


def _asked(real: P | None) -> P:
    if real is None:
        raise AssertionError("a replay asks nobody")
    return real


async def _answer(tape: Tape, question: Question, ask: Callable[[], Awaitable[T]], kind: Any) -> T:
    async def ask_alone() -> list[T]:
        return [await ask()]

    [found] = await tape.answers([question], ask_alone, kind)
    return found


@attrs.frozen
class _Policy:
    tape: Tape
    real: TacticPolicy | None

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        question = Question(
            "propose",
            {"state": codec.put_state(state, self.tape), "n": n},
            codec.at(state),
            f"the policy, for {n} tactics on\n{cut(str(state), _MAX_SHOWN)}",
        )
        return await _answer(self.tape, question, lambda: _asked(self.real).propose(state, n), tuple[Candidate, ...])


@attrs.frozen
class _Certifier:
    tape: Tape
    real: ProofCertifier | None

    async def certify(self, theorem: Theorem, proof: Proof) -> CertificationResult:
        blocks = tactic_blocks(proof)
        question = Question(
            "certify",
            {"theorem": codec.put_theorem(theorem, self.tape), "proof": list(blocks)},
            None,
            f"the certifier, about this proof of {theorem.name}:\n{cut(chr(10).join(blocks), _MAX_SHOWN)}",
        )
        return await _answer(
            self.tape, question, lambda: _asked(self.real).certify(theorem, proof), CertificationResult
        )


@attrs.frozen
class _EnergyModel:
    tape: Tape
    real: EnergyModel | None

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        questions = [
            Question(
                "energy",
                {"state": codec.put_state(state, self.tape)},
                codec.at(state),
                f"the energy model, about\n{cut(str(state), _MAX_SHOWN)}",
            )
            for state in states
        ]

        async def ask() -> list[float]:
            return [float(energy) for energy in await _asked(self.real).energies(states)]  # of a tensor, too

        return await self.tape.answers(questions, ask, float)


@attrs.frozen
class _Encoder:
    tape: Tape
    real: StateEncoder | None

    async def identity(self) -> EncoderIdentity:
        question = Question("identity", {}, None, "the encoder, which one it is")
        return await _answer(self.tape, question, lambda: _asked(self.real).identity(), EncoderIdentity)

    async def encode(self, texts: Sequence[str]) -> Sequence[array[float]]:
        questions = [
            Question("encode", {"text": text}, None, f"the encoder, for the vector of\n{cut(text, _MAX_SHOWN)}")
            for text in texts
        ]
        return await self.tape.answers(questions, lambda: _asked(self.real).encode(texts), array)


@attrs.frozen
class _Environment:
    tape: Tape
    real: ProofEnvironment | None

    def open(self, theorem: Theorem | str) -> AbstractAsyncContextManager[ProofSession]:
        return self._open(Theorem.read(theorem))

    @asynccontextmanager
    async def _open(self, theorem: Theorem) -> AsyncIterator[ProofSession]:
        digest = codec.put_theorem(theorem, self.tape)
        question = Question(
            "open", {"theorem": digest}, None, f"Lean, to open {theorem.name}: {cut(theorem.display, _MAX_SHOWN)}"
        )
        async with AsyncExitStack() as stack:
            opened: list[ProofSession] = []

            async def ask() -> ProofState:
                opened.append(await stack.enter_async_context(_asked(self.real).open(theorem)))
                return opened[0].root

            root = await _answer(self.tape, question, ask, ProofState)
            yield _Session(self.tape, digest, theorem.name, root, opened[0] if opened else None)


@attrs.frozen
class _Session:
    tape: Tape
    theorem: str
    name: str
    root: ProofState
    real: ProofSession | None

    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        if goal:
            state.check_goal(goal)
        where = f"on goal {goal} of" if goal else "on"
        asked = {"theorem": self.theorem, "state": codec.put_state(state, self.tape), "goal": goal, "tactic": tactic}
        words = f"Lean, to run this in a proof of {self.name}:\n{cut(tactic, _MAX_SHOWN)}\n{where}\n"
        question = Question("tactic", asked, codec.at(state), words + cut(str(state), _MAX_SHOWN))
        return await _answer(
            self.tape, question, lambda: _asked(self.real).run_tactic(state, tactic, goal=goal), TacticOutcome
        )

    async def free(self, states: Sequence[ProofState]) -> None:
        """Forget states: nothing is answered to that, unless it fails."""
        asked = {"theorem": self.theorem, "at": [codec.at(state) for state in states]}
        question = Question("free", asked, None, f"Lean, to free {len(states)} states")
        await self.tape.effect(question, lambda: _asked(self.real).free(states))
