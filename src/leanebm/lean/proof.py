"""A proof in progress, pinned to the worker that holds its states."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, Generic, Protocol, Self, TypeVar, final

from leanebm._shown import around, named_repr, shown
from leanebm.core.limits import objection_to_length, objection_to_theorem
from leanebm.core.outcome import ProofAdvanced, ProofFinished, TacticOutcome, TacticRejected, TacticTimedOut
from leanebm.core.proof_script import on_goal
from leanebm.core.proof_state import ProofState, StateRef
from leanebm.core.theorem import Theorem
from leanebm.core.theorem_text import split_binders
from leanebm.errors import CommandRefused, StaleState, StatementError, WorkerTimeout
from leanebm.lean._frontend_certificate import CONTEXTS, HEADERS, beyond_declarations, line_beyond
from leanebm.lean._replies import INTERRUPTED, MISUSE, LimitReached, TacticFailed, UnusableState, ref_in
from leanebm.lean._worker import LeanWorker
from leanebm.lean.absent_modules import WITHOUT_MATHLIB, of_mathlib
from leanebm.lean.backends.base import Dialect, WorkerCommand
from leanebm.lean.config import LeanPoolConfig
from leanebm.lean.requests import (
    Request,
    StartRequest,
    TacticReply,
    goal_delete,
    goal_print,
    goal_start,
    goal_tactic,
    goal_tactics,
    indexes_for,
)

_DELETED_TOGETHER = 64
"""States that are freed before the worker is told, in one request: it counts them until it is replaced."""


class ProofHandle:
    """One theorem's proof, pinned to the worker it is open on. From ``async with pool.open(theorem) as proof``.

    States stay as they are: a tactic makes a new one, and any state may be returned to. Several
    tactics may be asked for at once; the worker runs them one after the other.

    One that is forgotten without :meth:`aclose` warns when it is collected, and is closed then.
    """

    def __init__(
        self,
        worker: LeanWorker,
        theorem: Theorem,
        root: ProofState,
        config: LeanPoolConfig,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._worker = worker
        self._theorem = theorem
        self._root = root
        self._config = config
        # Only states that this handle gave out and did not free: ids alone would let one proof
        # reach into another on the same worker.
        self._live: set[StateRef] | None = {root.ref}
        self._doomed: set[StateRef] = set()  # freed, and not yet forgotten by the worker
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        states = "closed" if self._live is None else f"{len(self._live)} states"
        return f"<{type(self).__name__} {self._theorem.name!r} on worker {self._worker.index}, {states}>"

    @classmethod
    async def start(
        cls,
        worker: LeanWorker,
        theorem: Theorem,
        config: LeanPoolConfig,
        on_close: Callable[[], None] = lambda: None,
        *,
        asking: StartRequest = goal_start,
    ) -> Self:
        """Open ``theorem`` on ``worker``, by the request that ``asking`` makes.

        ``on_close`` is called once, when the proof is closed.

        Raises:
            StatementError: the statement, header or name does not elaborate, or is too long for Lean.
            CommandRefused: Lean ran out of time with it, which says nothing about it.
            WorkerLost: the worker broke under it.
            StaleState: the worker ended before it could be asked.
        """
        if (objection := objection_to_theorem(theorem)) is not None:
            raise StatementError("length", objection)
        _check_header(theorem, worker.command)
        # Half of the time, so that Lean, interrupted, can say so before the worker is given up.
        timeout_s = config.request_deadline_s / 2
        request = asking(theorem, worker.command.dialect, epoch=worker.epoch, timeout_s=timeout_s)
        try:
            started = await worker.request(request, on_abandoned=partial(_forget, worker))
        except UnicodeEncodeError as error:
            raise StatementError("encoding", "the statement holds a lone surrogate, which is not text") from error
        except WorkerTimeout as timeout:
            if worker.command.dialect is Dialect.LEANEBM:
                raise
            # It keeps no limit by itself, and another worker would be lost to this statement, too.
            raise _not_elaborated(request, config.request_deadline_s, "request_deadline_s") from timeout
        except CommandRefused as refusal:
            if refusal.kind in MISUSE:
                raise
            if refusal.description == INTERRUPTED:
                raise _not_elaborated(request, timeout_s, "half of request_deadline_s") from refusal
            description = f"{refusal.description}{_place(theorem, refusal)}{_mathlib_advice(theorem, config.imports)}"
            raise StatementError(refusal.kind, description, command=refusal.command) from refusal
        root = started if isinstance(started, ProofState) else await _printed(worker, started, theorem.header)
        return cls(worker, theorem, root, config, on_close)

    @property
    def theorem(self) -> Theorem:
        """What is being proved."""
        return self._theorem

    @property
    def root(self) -> ProofState:
        """The state before any tactic."""
        return self._root

    @property
    def pid(self) -> int:
        """Process id of the group's leader in which the states live."""
        return self._worker.pid

    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        """Run ``tactic``, one or a block of them, on ``state``'s goal number ``goal``.

        The goals that it leaves come first, then those behind ``goal``, then those before it, as after ``rotate_left``.

        Raises:
            WorkerLost: the worker broke under this tactic; nothing is known about it.
            StaleState: ``state`` belongs to another proof or was freed, or its worker is gone.
            ValueError: ``state`` has no goal of that number.
        """
        text = self._text(state, tactic, goal)
        if isinstance(text, TacticRejected):
            return text
        self._worker.make_ready(indexes_for(tactic))
        request = goal_tactic(state.ref, text, timeout_s=self._config.tactic_timeout_s, header=self._theorem.header)
        try:
            reply, elapsed_s = await self._worker.timed_request(
                request, deadline_s=self._config.tactic_deadline_s, on_abandoned=partial(_forget, self._worker)
            )
        except CommandRefused as refusal:
            raise _stale(refusal) from refusal
        return self._outcome(tactic, reply, elapsed_s)

    async def run_tactics(
        self, state: ProofState, tactics: Sequence[str], *, goal: int = 0, within_s: float | None = None
    ) -> AsyncGenerator[TacticOutcome, None]:
        """Run ``tactics`` one by one on ``state``'s goal number ``goal``, in one request where the worker can.

        Gives what each led to, in their order and as soon as it is known. None is begun after one that ends the proof,
        nor, but for the first, ``within_s`` from now, whatever they wait for; so there may be fewer outcomes than
        tactics, but there is at least one. Each has time, heartbeats and deadline of its own, as in :meth:`run_tactic`.

        Raises:
            WorkerLost: the worker broke under the tactic whose turn it was. Those behind it were not begun.
            StaleState, ValueError: as of :meth:`run_tactic`.
        """
        texts = [self._text(state, tactic, goal) for tactic in tactics]
        sound = [text for text in texts if isinstance(text, str)]
        if len(sound) < 2 or self._worker.command.dialect is not Dialect.LEANEBM:
            for tactic in tactics[: 1 if within_s is not None else None]:
                outcome = await self.run_tactic(state, tactic, goal=goal)
                yield outcome
                if isinstance(outcome, ProofFinished):
                    return
            return
        for tactic in tactics:
            self._worker.make_ready(indexes_for(tactic))
        request = goal_tactics(state.ref, sound, timeout_s=self._config.tactic_timeout_s, within_s=within_s)
        replies = self._worker.timed_replies(
            request, deadline_s=self._config.tactic_deadline_s, on_abandoned=partial(_forget, self._worker)
        )
        async with aclosing(replies):
            for tactic, text in zip(tactics, texts, strict=True):
                if isinstance(text, TacticRejected):
                    yield text
                    continue
                try:
                    reply, elapsed_s = await anext(replies)
                except StopAsyncIteration:
                    return
                except CommandRefused as refusal:
                    raise _stale(refusal) from refusal
                yield self._outcome(tactic, reply, elapsed_s)

    def _text(self, state: ProofState, tactic: str, goal: int) -> str | TacticRejected:
        """What Lean is to run, or why it is not asked."""
        self._check_live(state)
        text = tactic
        if goal:
            state.check_goal(goal)
            text = on_goal(goal, tactic)
        if (objection := objection_to_length(text, what="tactic")) is not None:
            return TacticRejected(objection, 0.0)
        try:
            text.encode()
        except UnicodeEncodeError:
            return TacticRejected("the tactic holds a lone surrogate, which is not text", 0.0)
        return text

    def _outcome(self, tactic: str, reply: TacticReply, elapsed_s: float) -> TacticOutcome:
        match reply:
            case TacticFailed(message):
                return TacticRejected(message, elapsed_s)
            case LimitReached(message):
                return TacticTimedOut(self._limit(tactic, message), elapsed_s)
            case UnusableState(_, objection):
                _forget(self._worker, reply)
                return TacticRejected(objection, elapsed_s)
        if self._live is None:
            _forget(self._worker, reply)
        else:
            self._live.add(reply.ref)
        return ProofFinished(reply, elapsed_s) if reply.is_solved else ProofAdvanced(reply, elapsed_s)

    async def free(self, states: Sequence[ProofState]) -> None:
        """Forget states that will not be visited again; those freed before, or gone with a worker, are skipped."""
        live = self._live or set()
        doomed = {state.ref for state in states} & live
        live -= doomed
        self._doomed |= doomed
        if len(self._doomed) >= _DELETED_TOGETHER:
            # Nobody needs to wait for this, and a worker that ends meanwhile has forgotten them too.
            self._worker.post(goal_delete(self._doomed))
            self._doomed = set()

    async def aclose(self) -> None:
        """Forget every state and give the worker back, without waiting for it. May be repeated."""
        self._close()

    def _close(self) -> None:
        live, self._live = self._live, None
        if live is None:
            return
        if live or self._doomed:
            self._worker.post(goal_delete(live | self._doomed))
        self._on_close()

    def __del__(self) -> None:
        if getattr(self, "_live", None) is None:
            return
        warnings.warn(
            f"{self!r} was never closed; use 'async with', or 'await proof.aclose()'",
            ResourceWarning,
            stacklevel=2,
            source=self,
        )
        with suppress(RuntimeError):  # the loop is closed, and the worker with it
            self._loop.call_soon_threadsafe(self._close)

    def _limit(self, tactic: str, message: str) -> str:
        """Which tactic ran into which limit; of time, Lean has but one word to say."""
        if message == INTERRUPTED:
            return f"{shown(tactic)} did not end within {self._config.tactic_timeout_s:g} s (tactic_timeout_s)"
        return f"{shown(tactic)} ran into a limit of Lean's: {message}"

    def _check_live(self, state: ProofState) -> None:
        if self._live is None:
            raise StaleState(closed(self._theorem))
        if state.ref.epoch != self._worker.epoch:
            raise StaleState(
                f"the state was made by worker epoch {state.ref.epoch}, this proof lives in epoch "
                f"{self._worker.epoch}; open the theorem again and replay its tactics"
            )
        if state.ref not in self._live:
            raise StaleState(f"state {state.ref.state_id} was freed, or belongs to another proof")


@final
class ProofHandleOwned(ProofHandle):
    """A proof that no block closes, from ``proof = await pool.open(theorem)``; it may be handed to another task.

    Whoever has it last closes it, by :meth:`~ProofHandle.aclose` or by an ``async with proof:`` of their own.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close the proof."""
        await self.aclose()


class _Proof(Protocol):
    async def aclose(self) -> None: ...


P = TypeVar("P", bound=_Proof)
Q = TypeVar("Q", bound=_Proof)


@final
class Opening(Generic[P, Q]):
    """A proof that is about to be opened.

    With ``async with pool.open(theorem) as proof:`` it is closed when the block is left. With
    ``proof = await pool.open(theorem)`` it is yours, in a notebook over as many cells as you like, or handed to
    another task: whoever has it last must ``await proof.aclose()``.
    """

    def __init__(
        self, start: Callable[[], Coroutine[None, None, P]], start_owned: Callable[[], Coroutine[None, None, Q]]
    ) -> None:
        self._start = start
        self._start_owned = start_owned
        self._proof: P | None = None

    __repr__ = named_repr("_proof")

    def __await__(self) -> Generator[None, None, Q]:
        return self._start_owned().__await__()

    async def __aenter__(self) -> P:
        self._proof = await self._start()
        return self._proof

    async def __aexit__(self, *exc_info: object) -> None:
        """Close the proof."""
        if self._proof is not None:
            await self._proof.aclose()


def closed(theorem: Theorem) -> str:
    """Why a proof of ``theorem`` takes no more tactics, and what to do."""
    return (
        f"the proof of {theorem.name!r} was closed, by aclose() or at the end of its 'async with' block; for one that "
        "lasts until you close it, write 'proof = await pool.open(theorem)'"
    )


def _stale(refusal: CommandRefused) -> CommandRefused | StaleState:
    if refusal.kind == "index":
        return StaleState(f"the worker no longer has this state: {refusal.description}")
    return refusal


def _forget(worker: LeanWorker, reply: object) -> None:
    """Have the worker forget a state that nobody will ever refer to."""
    if (ref := ref_in(reply)) is not None:
        worker.post(goal_delete([ref]), is_urgent=True)


def _not_elaborated(request: Request[Any], limit_s: float, limit: str) -> CommandRefused:
    return CommandRefused(
        "timeout",
        f"the statement {shown(request.about)} was not elaborated within {limit_s:g} s, {limit}. "
        "Raise that if the machine is slow or busy; else the statement asks too much of Lean",
        command=request.command,
    )


async def _printed(worker: LeanWorker, ref: StateRef, header: str) -> ProofState:
    try:
        return await worker.request(goal_print(ref, header=header))
    except BaseException:
        _forget(worker, ref)
        raise


def _place(theorem: Theorem, refusal: CommandRefused) -> str:
    """Where the statement does not parse, in words; nothing if Lean did not say, or means something else."""
    text = theorem.statement
    if refusal.kind != "parse" or refusal.place is None or text is None:
        return ""
    line, column = refusal.place
    before = text.split("\n")[: line - 1]
    return f", at {around(text, sum(map(len, before)) + len(before) + column)}"


def _mathlib_advice(theorem: Theorem, imports: Sequence[str]) -> str:
    word = of_mathlib(theorem, imports)
    return "" if word is None else f" ({word} is Mathlib's, which this Lean does not import: {WITHOUT_MATHLIB})"


def _check_header(theorem: Theorem, command: WorkerCommand) -> None:
    """Refuse what only our REPL understands."""
    if command.dialect is Dialect.LEANEBM:
        return
    for kind, allowed, beyond in (
        ("header", HEADERS, line_beyond(theorem.header)),
        ("context", CONTEXTS, beyond_declarations(theorem.context)),
    ):
        if beyond is not None:
            raise StatementError(
                kind, f"on the {command.backend} backend {allowed}, not {shown(beyond)}; use another backend"
            )
    binders, proposition = split_binders(theorem.statement or "")
    if binders:
        raise StatementError(
            "binders",
            f"the {command.backend} backend takes propositions without binders before a colon: "
            f"write {shown(f'∀ {binders}, {proposition}')}, or use another backend",
        )
