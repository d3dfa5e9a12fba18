"""One Lean worker: requests in, answers out, strictly one after the other.

Theory of operation. The pipe belongs to one task, ``_serve``; callers put an exchange on its queue and
wait for the answer. So a caller that is cancelled leaves nothing half-read: its answer is still read,
and dropped. Every read has a deadline. **The failure law** is in one place, ``_lose``: whatever breaks
an exchange (deadline, end-of-file, a line that is not the protocol) ends the worker for good. The
exchange it broke under raises :class:`~leanebm.errors.WorkerLost`; those that were still waiting were
never sent, so they raise :class:`~leanebm.errors.StaleState`: nobody is blamed for another's tactic.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from copy import copy
from functools import partial
from itertools import count
from typing import Any, TypeVar

from leanebm._cancelled import in_thread
from leanebm.errors import CommandRefused, LeanError, StaleState, WorkerLost, WorkerStartError
from leanebm.lean._complaints import for_killed, is_lasting, what_to_do
from leanebm.lean._exchange import BREAKAGES, Batch, Exchange, how_it_ended, loss_of, reason_of, within
from leanebm.lean._guard import CANNOT_RUN
from leanebm.lean._process import ChildProcess
from leanebm.lean._replies import USES_SORRY, MalformedReplyError, ref_in
from leanebm.lean._tasks import Servants, serving
from leanebm.lean.absent_modules import absent_modules, how_to_do_without
from leanebm.lean.backends.base import Dialect, WorkerCommand
from leanebm.lean.config import LeanPoolConfig
from leanebm.lean.requests import LibraryIndex, Request, frontend_process, stat, warm
from leanebm.lean.statistics import RetirementReason

_epochs = count(1)
_log = logging.getLogger(__name__)

R = TypeVar("R")
E = TypeVar("E", bound=Exchange[Any])

_BANNER = b"ready."

_MAX_FOREWORD_BYTES = 64 * 1024

_SAID_BYTES = 4 * 1024

_EXIT_GRACE_S = 1.0

_SAID_AFTER_S = 30.0

_MEMORY_SAMPLE_INTERVAL_S = 1.0

_KILL_FACTOR = 2


class LeanWorker:
    """A Lean process that is ready. Made by a :class:`LeanPool`, or with :meth:`running`."""

    def __init__(self, command: WorkerCommand, config: LeanPoolConfig, index: int, on_end: Callable[[], None]) -> None:
        self.index = index
        """Its place in the pool."""
        self.epoch = next(_epochs)
        """Its incarnation; state ids mean something only together with it."""
        self.command = command
        """How its process was started."""
        self.requests = 0
        """Requests answered."""
        self.indexes: set[LibraryIndex] = set()
        """What it was told to make ready of the library."""
        self.rss_mib = 0.0
        """Resident memory in MiB, as last sampled."""
        self.start_s = 0.0
        """Seconds from the start of its process to its first answer."""
        self._config = config
        self._on_end = on_end
        self._process: ChildProcess | None = None
        self._born = time.monotonic()
        self._queue: asyncio.Queue[Exchange[Any] | None] = asyncio.Queue()
        self._urgent: deque[Exchange[Any]] = deque()
        self._current: Exchange[object] | None = None
        self._newest_state_id = -1
        self._end: LeanError | None = None
        self._doom: str | None = None
        self._due: RetirementReason | None = None
        self._is_due = asyncio.Event()
        self._dismissals: list[Callable[[], None]] = []
        self._foreword = bytearray()
        self._header = ""
        self._context = ""

    def __repr__(self) -> str:
        return f"<LeanWorker {self.index} epoch={self.epoch} {self.command.backend} requests={self.requests}>"

    # --- life ---

    @classmethod
    @asynccontextmanager
    async def running(cls, config: LeanPoolConfig) -> AsyncIterator[LeanWorker]:
        """Start a single worker, and end it with the block.

        Raises:
            LeanInstallError: the backend is not usable.
            WorkerStartError: the worker never became ready.
        """
        command = await in_thread(config.prepare)
        async with serving() as servants:
            worker = await cls.start(command, config, index=0, servants=servants)
            try:
                yield worker
            finally:
                await worker.aclose()

    @classmethod
    async def start(
        cls,
        command: WorkerCommand,
        config: LeanPoolConfig,
        *,
        index: int,
        servants: Servants,
        on_end: Callable[[], None] = lambda: None,
    ) -> LeanWorker:
        """Start a worker whose background tasks are among ``servants``; the caller must :meth:`aclose` it.

        ``on_end`` is called when it takes no more requests, whatever the reason.

        Raises:
            WorkerStartError: it ended, stayed silent, or said something else than that it is ready.
        """
        worker = cls(command, config, index, on_end)
        try:
            process = await ChildProcess.spawn(
                command, max_line_bytes=config.max_line_bytes, on_output=worker._on_output
            )
        except OSError as error:  # no descriptors or processes left, no such directory …
            raise worker._start_error(f"could not be started: {error}") from error
        worker._process = process
        try:
            await worker._become_ready(process)
        except BaseException:
            await process.kill()
            raise
        worker._dismissals = [
            servants.start(worker._serve(process), name=f"lean-worker-{index}"),
            servants.start(worker._watch_memory(process), name=f"lean-worker-{index}-memory"),
        ]
        _log.debug("%r is ready after %.1f s, %.0f MiB", worker, worker.start_s, worker.rss_mib)
        return worker

    async def aclose(self, reason: LeanError | None = None) -> None:
        """Kill and reap the process. Requests that are open or come later raise ``reason``."""
        self._finish(reason or StaleState(f"Lean worker {self.index} (epoch {self.epoch}) was closed"))
        for dismiss in self._dismissals:
            dismiss()
        if self._process is not None:
            await self._process.kill()

    # --- requests ---

    async def request(
        self,
        request: Request[R],
        *,
        deadline_s: float | None = None,
        on_abandoned: Callable[[R], None] | None = None,
    ) -> R:
        """Send ``request`` when its turn comes and wait for the answer.

        A caller that is cancelled leaves the worker in order; ``on_abandoned`` then gets the answer.

        Args:
            request: What to ask.
            deadline_s: Seconds the answer may take, the time in the queue not counted.
            on_abandoned: Called with an answer that nobody waits for any more.

        Raises:
            CommandRefused: the worker understood, and said no.
            WorkerLost: the worker broke under this request.
            StaleState: the worker ended before this request was sent.
            UnicodeEncodeError: the request's text holds a lone surrogate.
        """
        return (await self.timed_request(request, deadline_s=deadline_s, on_abandoned=on_abandoned))[0]

    async def timed_request(
        self,
        request: Request[R],
        *,
        deadline_s: float | None = None,
        on_abandoned: Callable[[R], None] | None = None,
    ) -> tuple[R, float]:
        """Like :meth:`request`; also the seconds from writing the request to reading its answer."""
        exchange = self._enqueue(Exchange(request, *self._terms(deadline_s), on_abandoned))
        try:
            return await exchange.answer, exchange.elapsed_s
        except asyncio.CancelledError:
            exchange.abandon()
            raise

    async def timed_replies(
        self,
        request: Request[R],
        *,
        deadline_s: float | None = None,
        on_abandoned: Callable[[R], None] | None = None,
    ) -> AsyncGenerator[tuple[R, float], None]:
        """Like :meth:`timed_request` for a request in parts: each answer as soon as it is there, with Lean's seconds.

        ``deadline_s`` is for each. Who stops in the middle leaves the worker in order, which still runs the rest.
        """
        batch = self._enqueue(Batch(request, *self._terms(deadline_s), on_abandoned))
        try:
            while not batch.is_taken:
                yield await batch.next()
        finally:
            batch.abandon()

    def post(self, request: Request[R], *, deadline_s: float | None = None, is_urgent: bool = False) -> None:
        """Send ``request`` when its turn comes, or before all that waits, and do not care what becomes of it."""
        if self._end is None:
            exchange = Exchange(request, *self._terms(deadline_s))
            if is_urgent:
                self._urgent.append(exchange)
                self._queue.put_nowait(None)  # for one that waits
            else:
                self._enqueue(exchange)
            # Looking at the exception is what keeps asyncio from reporting it as never looked at.
            exchange.answer.add_done_callback(lambda answer: answer.cancelled() or answer.exception())

    def make_ready(self, indexes: Iterable[LibraryIndex]) -> None:
        """Have ``indexes`` of the library made, each once, before anything that is asked for later.

        A search of the library that had to make its index would run out of a tactic's time, and leave none for the next
        one: an index that is interrupted is lost. So it gets a worker's time to start, whoever waits for it.
        """
        if self.command.dialect is Dialect.LEANEBM:
            deadline_s = self._config.startup_deadline_s
            for index in indexes:
                if index not in self.indexes:
                    self.indexes.add(index)
                    self.post(warm(index, timeout_s=deadline_s / 2), deadline_s=deadline_s)

    def _enqueue(self, exchange: E) -> E:
        if self._end is not None:
            raise self._stale()
        self._queue.put_nowait(exchange)
        return exchange

    def _terms(self, deadline_s: float | None = None) -> tuple[str | None, float]:
        """A nonce for a new request, and the seconds that an answer to it may take."""
        nonce = secrets.token_hex(16) if self.command.dialect is Dialect.LEANEBM else None
        return nonce, self._config.request_deadline_s if deadline_s is None else deadline_s

    # --- condition ---

    @property
    def pid(self) -> int:
        """Process id of its group's leader."""
        return 0 if self._process is None else self._process.pid

    @property
    def age_s(self) -> float:
        """Seconds since its process was started."""
        return time.monotonic() - self._born

    @property
    def is_alive(self) -> bool:
        """Whether it takes requests."""
        return self._end is None

    @property
    def is_due(self) -> bool:
        """Whether it is lost, or has served long enough to be replaced."""
        return self._due is not None

    async def wait_due(self) -> RetirementReason:
        """Wait until it should be replaced: it broke, or reached a limit of the configuration."""
        try:
            async with asyncio.timeout(max(0.0, self._config.max_age_s - self.age_s)):
                await self._is_due.wait()
        except TimeoutError:
            self._mark_due(RetirementReason.AGE)
        return self._due or RetirementReason.AGE

    def _mark_due(self, reason: RetirementReason) -> None:
        if self._due is None or reason.is_loss:
            self._due = reason
            self._is_due.set()

    # --- starting ---

    async def _become_ready(self, process: ChildProcess) -> None:
        deadline_s = self._config.startup_deadline_s
        telling = asyncio.get_running_loop().call_later(_SAID_AFTER_S, self._tell_of_slow_start)
        try:
            async with asyncio.timeout(deadline_s):
                await self._greet(process)
        except TimeoutError as error:
            raise self._start_error(
                f"was not ready after {deadline_s:g} s; if its imports are large, raise startup_deadline_s"
            ) from error
        except EOFError as error:
            await process.exited_within(_EXIT_GRACE_S)
            said = f"{self._said}\n{process.stderr_tail}"
            if absent := absent_modules(said):
                note = self.command.modules_note or how_to_do_without(absent)
                advice = f"it has no module {', '.join(absent)}; {note}"
            else:
                advice = for_killed(process.returncode) or what_to_do(said, toolchain=self.command.toolchain)
            raise self._start_error(
                f"ended before it was ready, {how_it_ended(process.returncode)}{advice and f': {advice}'}",
                is_lasting=is_lasting(advice) or process.returncode == CANNOT_RUN,
            ) from error
        except (ValueError, CommandRefused) as error:
            raise self._start_error(f"does not speak the worker protocol: {error}") from error
        finally:
            telling.cancel()
        self.start_s = self.age_s
        process.find_family()
        self.rss_mib = process.rss_mib()
        if self.rss_mib >= self._config.max_rss_mib:
            raise self._start_error(
                f"needs {self.rss_mib:.0f} MiB before its first request, so max_rss_mib="
                f"{self._config.max_rss_mib} would retire it at once; raise it",
                is_lasting=True,
            )

    def _tell_of_slow_start(self) -> None:
        if self.index == 0:  # of many that start together, one is enough to tell
            deadline_s = self._config.startup_deadline_s
            _log.warning("a Lean worker (%s) is still starting; it has %g s", self.command.backend, deadline_s)

    @property
    def _said(self) -> str:
        """The last of what it wrote instead of its banner, or before it."""
        return self._foreword[-_SAID_BYTES:].decode("utf-8", "replace").strip()

    async def _greet(self, process: ChildProcess) -> None:
        while (line := await process.read_line()).rstrip(b"\r") != _BANNER:
            # Lean prints what it has to say of a script, and Lake what it builds, before the script runs.
            self._foreword += line + b"\n"
            if len(self._foreword) > _MAX_FOREWORD_BYTES:
                raise MalformedReplyError(f"it wrote more than {_MAX_FOREWORD_BYTES} bytes and never 'ready.'")
        # Pantograph is told no time limit. It has one for all commands, certification included, and each command leaves
        # a task that sleeps for that long: heartbeats end what looks at them, and a deadline of ours what does not.
        exchange = Exchange(stat(), *self._terms())
        process.write(exchange.line)
        await self._receive(process, exchange)

    def _start_error(self, what: str, *, is_lasting: bool = False) -> WorkerStartError:
        tail = "" if self._process is None else self._process.stderr_tail
        if self._said:
            what += f"; before any 'ready.' it wrote:\n{self._said}"
        who = f"Lean worker {self.index} ({self.command.backend})"
        return WorkerStartError(f"{who} {what}", stderr_tail=tail, is_lasting=is_lasting)

    # --- serving ---

    def _on_output(self) -> None:
        # While an exchange is on, output is its answer. Else it is the end, or noise: have a look.
        if self._current is None:
            self._queue.put_nowait(None)

    async def _serve(self, process: ChildProcess) -> None:
        while self._end is None:
            if process.is_at_eof or process.has_unread_output:
                await self._lose(process, _unasked(process))
                return
            exchange = self._urgent.popleft() if self._urgent else await self._queue.get()
            if exchange is not None and not exchange.is_abandoned:
                await self._perform(process, exchange)

    async def _perform(self, process: ChildProcess, exchange: Exchange[object]) -> None:
        self._current = exchange
        began = time.monotonic()
        try:
            await self._stand_under(process, exchange)
            process.write(exchange.line_now())
            reply = await self._answer(process, exchange)
            while not exchange.is_answered:
                exchange.deliver(reply)
                began = time.monotonic()
                reply = await self._answer(process, exchange)
        except CommandRefused as refusal:
            exchange.fail(refusal)
        except BREAKAGES as breakage:
            exchange.elapsed_s = time.monotonic() - began
            await self._lose(process, breakage)
            return
        else:
            if not exchange.request.parts:  # of these Lean says itself what they took
                exchange.elapsed_s = time.monotonic() - began
            exchange.deliver(reply)
        self._current = None
        self.requests += 1
        if self.requests >= self._config.max_requests:
            self._mark_due(RetirementReason.REQUESTS)

    async def _answer(self, process: ChildProcess, exchange: Exchange[R]) -> R:
        return await within(exchange.deadline_s, partial(self._receive, process, exchange))

    async def _stand_under(self, process: ChildProcess, exchange: Exchange[Any]) -> None:
        """Have plain Pantograph understand what comes under the header of ``exchange``: it has one for all commands.

        Raises:
            CommandRefused: the header does not elaborate.
        """
        header, context = exchange.request.header, exchange.request.context
        if self.command.dialect is Dialect.LEANEBM or header is None:
            return
        context = self._context if context is None else context
        if (header, context) == (self._header, self._context):
            return
        # What one theorem's context declares is not to be there for another: that begins with the imports anew.
        anew = context != self._context
        imports = "".join(f"import {module}\n" for module in self._config.imports) if anew else ""
        declared = context if anew else ""
        setting = Exchange(frontend_process(imports + header + declared, inherit=True, anew=anew), *self._terms())
        process.write(setting.line)
        said = await within(max(setting.deadline_s, exchange.deadline_s), partial(self._receive, process, setting))
        self._header, self._context = header, context
        objections = [text for severity, text in said.messages if severity == "error" or USES_SORRY.search(text)]
        if objections:
            self._header = "\0"  # it is no longer known what stands there
            raise CommandRefused("elab", "\n".join(objections), command=exchange.request.command)

    async def _receive(self, process: ChildProcess, exchange: Exchange[R]) -> R:
        line = await process.read_line()
        if not exchange.request.parts:
            _check_alone(process, exchange)
        reply = exchange.read(line)
        if exchange.request.parts and exchange.is_answered:
            _check_alone(process, exchange)
        if exchange.request.makes_state and (made := ref_in(reply)) is not None:
            # A worker counts its states up. Where answers repeat no nonce, an old number says that this is an old one.
            if made.state_id <= self._newest_state_id:
                raise MalformedReplyError(f"state {made.state_id} was given out before: this answers another request")
            self._newest_state_id = made.state_id
        return reply

    async def _lose(self, process: ChildProcess, breakage: Exception) -> None:
        """The failure law: kill, reap, blame the exchange it broke under, and wake everyone else."""
        culprit = self._current
        if isinstance(breakage, EOFError):
            await process.exited_within(_EXIT_GRACE_S)
        ending = how_it_ended(process.returncode)
        await process.kill()
        loss = loss_of(
            breakage,
            who=f"Lean worker {self.index} (epoch {self.epoch}, {self.command.backend})",
            ending=ending,
            culprit=culprit,
            doom=self._doom,
            stderr_tail=process.stderr_tail,
        )
        loss.worker, loss.epoch = self.index, self.epoch
        _log.warning("%s", str(loss).partition("\n")[0])
        if culprit is not None:
            culprit.fail(loss)
            self._current = None
        self._finish(loss)
        self._mark_due(reason_of(loss))

    def _finish(self, reason: LeanError) -> None:
        """Take no more requests, and answer those that will not be served."""
        if self._end is None:
            self._end = reason
            self._on_end()
        if self._current is not None:
            self._current.fail(self._stale())
            self._current = None
        while self._urgent:
            self._urgent.popleft().fail(self._stale())
        while not self._queue.empty():
            exchange = self._queue.get_nowait()
            if exchange is not None:
                exchange.fail(self._stale())

    def _stale(self) -> LeanError:
        """Why this worker takes no request. Each caller gets an exception object of its own."""
        if isinstance(self._end, WorkerLost):
            return StaleState(f"the worker of this proof is gone: {str(self._end).partition(chr(10))[0]}")
        return copy(self._end) if self._end is not None else StaleState("the worker is closed")

    async def _watch_memory(self, process: ChildProcess) -> None:
        limit_mib = self._config.max_rss_mib
        while self._end is None:
            await asyncio.sleep(_MEMORY_SAMPLE_INTERVAL_S)
            self.rss_mib = process.rss_mib()
            if self.rss_mib >= limit_mib:
                self._mark_due(RetirementReason.MEMORY)
            if self.rss_mib >= _KILL_FACTOR * limit_mib:
                # One request grew without bound: waiting for its answer could take the machine down.
                self._doom = f"grew to {self.rss_mib:.0f} MiB"
                await process.kill()
                return


def _check_alone(process: ChildProcess, exchange: Exchange[Any]) -> None:
    if process.has_unread_output:
        lines = "more lines than parts" if exchange.request.parts else "more than one line"
        raise MalformedReplyError(f"{lines} in answer to {exchange.request.command}")


def _unasked(process: ChildProcess) -> Exception:
    if process.has_unread_output:
        return MalformedReplyError("it wrote something without being asked")
    return EOFError()
