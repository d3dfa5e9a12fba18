"""A pool of Lean workers.

Theory of operation. The pool has ``num_workers`` places; one task keeps each place filled (``_keep``).
A worker that has served long enough is replaced in good order: its successor is started and warmed
first, then takes over the place, and the old one takes no new proofs and waits for its open ones. Only
one worker at a time is in that condition, so a pool never has more than ``num_workers + 1`` processes.
A worker that broke is replaced at once; the pause between starts doubles only while starts fail.

The first search of the library costs a worker seconds (:class:`~leanebm.lean.requests.LibraryIndex`). Once the pool has
seen one, a new worker gets ready for the next while it waits for its first proof, and another when it has none.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import AsyncExitStack
from copy import copy
from functools import partial
from types import MappingProxyType
from typing import Self, TypeVar

import attrs

from leanebm._cancelled import in_thread, uninterrupted
from leanebm.core.theorem import Theorem
from leanebm.errors import LeanError, PoolClosed, StaleState, WorkerStartError
from leanebm.lean._tasks import Servants, serving
from leanebm.lean._worker import LeanWorker
from leanebm.lean.backends.base import WorkerCommand
from leanebm.lean.config import LeanPoolConfig
from leanebm.lean.proof import Opening, ProofHandle, ProofHandleOwned
from leanebm.lean.requests import LibraryIndex, Request, StartRequest, goal_start, lean_version
from leanebm.lean.statistics import PoolStatistics, RetirementReason, WorkerStatistics

_log = logging.getLogger(__name__)
R = TypeVar("R")
H = TypeVar("H", bound=ProofHandle)

_FIRST_RESTART_DELAY_S = 0.25

_SLOW_STARTS = 2
"""Starts that were not ready in time, and none that was, after which no other is tried: that takes minutes each."""


@attrs.define(eq=False)
class _Post:
    """A worker at its place."""

    worker: LeanWorker
    open_proofs: int = 0
    is_retiring: bool = False

    def statistics(self) -> WorkerStatistics:
        worker = self.worker
        return WorkerStatistics(
            index=worker.index,
            epoch=worker.epoch,
            pid=worker.pid,
            is_retiring=self.is_retiring,
            requests=worker.requests,
            open_proofs=self.open_proofs,
            age_s=worker.age_s,
            start_s=worker.start_s,
            rss_mib=worker.rss_mib,
        )


class LeanPool:
    """Keeps Lean workers ready and places proofs on them. A :class:`~leanebm.core.ProofEnvironment`.

    .. code-block:: python

        async with LeanPool(LeanPoolConfig.auto()) as pool:
            async with pool.open(Theorem(name="two", statement="1 + 1 = 2")) as proof:
                outcome = await proof.run_tactic(proof.root, "rfl")

    Raises:
        LeanInstallError: on entering: the backend is not usable.
        WorkerStartError: on entering: no worker became ready.
    """

    def __init__(self, config: LeanPoolConfig) -> None:
        self.config = config
        self._life = AsyncExitStack()
        self._posts: list[_Post] = []
        self._end: LeanError | None = PoolClosed("the pool is used with 'async with LeanPool(config) as pool:'")
        self._was_entered = False
        self._places_kept = config.num_workers
        self._command: WorkerCommand | None = None
        self._change = asyncio.Event()
        self._has_spare = False
        self._start_error = WorkerStartError("every Lean worker ended before it answered a single request")
        self._indexes: set[LibraryIndex] = set()
        self._waiting = 0
        self._starting = asyncio.Semaphore(config.max_starting)
        self._starts = 0
        self._start_failures = 0
        self._slow_starts = 0
        self._requests_of_the_past = 0
        self._retirements: Counter[RetirementReason] = Counter()

    def __repr__(self) -> str:
        return f"<LeanPool {self.config.backend.name} workers={len(self._posts)}>"

    # --- life ---

    async def __aenter__(self) -> Self:
        if self._was_entered:
            raise PoolClosed("a pool is entered once; make a new one")
        self._was_entered = True
        command = self._command = await in_thread(self.config.prepare)
        async with AsyncExitStack() as life:
            life.push_async_callback(self._end_workers)
            servants = await life.enter_async_context(serving())
            life.callback(self._close)
            self._end = None
            for index in range(self.config.num_workers):
                servants.start(self._keep(index, command, servants), name=f"lean-place-{index}")
            while not self._posts:
                self._check_open()
                await self._change.wait()
            self._life = life.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Kill and reap every worker; requests still open raise ``PoolClosed``."""
        await self._life.aclose()

    def _close(self) -> None:
        self._end = PoolClosed("the pool was closed")

    async def _end_workers(self) -> None:
        closing = [post.worker.aclose(self._end) for post in self._posts]
        self._requests_of_the_past += sum(post.worker.requests for post in self._posts)
        self._posts = []
        await uninterrupted(asyncio.gather(*closing))

    # --- use ---

    def open(
        self, theorem: Theorem | str, *, asking: StartRequest = goal_start
    ) -> Opening[ProofHandle, ProofHandleOwned]:
        """Start a proof on the least loaded worker: for an ``async with`` block, or ``await`` it and close it yourself.

        Args:
            theorem: a theorem, or its text, such as ``"1 + 1 = 2"``.
            asking: makes the request that opens it; :mod:`leanebm.lean.requests` has those that there are.

        Raises:
            TypeError, ValueError: it is neither, or the text states no theorem.
            StatementError: the statement or header does not elaborate.
            WorkerLost: the worker broke under the statement.
            WorkerStartError: no worker is left and none can be started.
            PoolClosed: outside the pool's ``async with``.
        """
        theorem = Theorem.read(theorem)
        return Opening(
            partial(self._open, theorem, ProofHandle, asking), partial(self._open, theorem, ProofHandleOwned, asking)
        )

    async def ask(self, request: Request[R], *, deadline_s: float | None = None) -> R:
        """Send a request that concerns no proof to the least loaded worker.

        Raises:
            CommandRefused: the worker understood, and said no.
            WorkerLost: the worker broke under this request.
        """
        while True:
            post = await self._enter()
            try:
                return await post.worker.request(request, deadline_s=deadline_s)
            except StaleState:
                continue  # it ended before it was asked: another one will do
            finally:
                self._leave(post)

    async def lean_version(self) -> str:
        """The version of Lean that the workers run: as they say, or as their toolchain does; empty if neither does.

        Raises:
            WorkerLost: the worker that was asked broke.
            PoolClosed: outside the pool's ``async with``.
        """
        said = await self.ask(lean_version())
        return said or ("" if self._command is None else self._command.lean_version)

    def statistics(self) -> PoolStatistics:
        """The pool at this moment."""
        return PoolStatistics(
            backend=self.config.backend.name,
            workers=tuple(post.statistics() for post in self._posts),
            requests=self._requests_of_the_past + sum(post.worker.requests for post in self._posts),
            open_proofs=sum(post.open_proofs for post in self._posts),
            waiting=self._waiting,
            starts=self._starts,
            start_failures=self._start_failures,
            retirements=MappingProxyType(dict(self._retirements)),
        )

    @property
    def has_idle_worker(self) -> bool:
        """Whether a worker is ready on which no proof is open."""
        return any(post.worker.is_alive and not post.is_retiring and not post.open_proofs for post in self._posts)

    # --- placing proofs ---

    async def _open(self, theorem: Theorem, kind: type[H], asking: StartRequest) -> H:
        while True:
            post = await self._enter()
            try:
                return await kind.start(post.worker, theorem, self.config, partial(self._leave, post), asking=asking)
            except StaleState:
                self._leave(post)  # it ended before it was asked: another one will do
            except BaseException:
                self._leave(post)
                raise

    async def _enter(self) -> _Post:
        """Wait for the least loaded worker that takes proofs, and count a proof on it."""
        self._waiting += 1
        try:
            while (post := self._least_loaded()) is None:
                await self._change.wait()
        finally:
            self._waiting -= 1
        post.open_proofs += 1
        return post

    def _least_loaded(self) -> _Post | None:
        self._check_open()
        limit = self.config.max_open_proofs
        ready = (post for post in self._posts if post.worker.is_alive and not post.is_retiring)
        free = (post for post in ready if post.open_proofs < limit)
        return min(free, key=lambda post: (post.open_proofs, post.worker.requests), default=None)

    def _leave(self, post: _Post) -> None:
        post.open_proofs -= 1
        if not post.open_proofs:
            self._make_ready(post.worker)
        self._announce()

    def _make_ready(self, worker: LeanWorker) -> None:
        """Have a worker without proofs make what was needed of the library so far."""
        self._indexes.update(*(post.worker.indexes for post in self._posts))
        worker.make_ready(self._indexes)

    def _announce(self) -> None:
        """Wake everyone who waits for a worker, or for a worker to be free of proofs."""
        self._change.set()
        self._change = asyncio.Event()

    def _check_open(self) -> None:
        if self._end is not None:
            # Every waiter raises an exception object of its own: a shared one would collect tracebacks.
            raise copy(self._end)

    # --- keeping places filled ---

    async def _keep(self, index: int, command: WorkerCommand, servants: Servants) -> None:
        """Keep one place filled, until its workers cannot be started any more."""
        post = await self._fill(index, command, servants)
        while post is not None:
            reason = await self._reason_to_replace(post.worker)
            if reason.is_loss:
                # One that ended before it did anything useful counts as a failed start, or a worker
                # that always crashes would be started over and over without a pause.
                failures = 0 if post.worker.requests else 1
                await self._dismiss(post, reason)
                post = await self._fill(index, command, servants, failures)
            else:
                self._has_spare = True
                predecessor, post = post, await self._fill(index, command, servants)
                predecessor.is_retiring = True
                servants.start(self._drain(predecessor, reason), name=f"lean-place-{index}-drain")
        self._give_up_place(index)

    async def _reason_to_replace(self, worker: LeanWorker) -> RetirementReason:
        """Wait until ``worker`` is lost, or is due and no other worker is just being replaced."""
        await worker.wait_due()
        while self._has_spare and worker.is_alive:
            await self._change.wait()
        return await worker.wait_due()

    async def _fill(self, index: int, command: WorkerCommand, servants: Servants, failures: int = 0) -> _Post | None:
        """Start a worker, with ever longer pauses after failures; ``None`` after too many, or one that lasts."""
        while failures < self.config.max_start_failures:
            await asyncio.sleep(self._pause_s(failures))
            try:
                async with self._starting:
                    worker = await LeanWorker.start(
                        command, self.config, index=index, servants=servants, on_end=self._announce
                    )
            except WorkerStartError as error:
                failures = self.config.max_start_failures if error.is_lasting else failures + 1
                self._start_failures += 1
                self._slow_starts += isinstance(error.__cause__, TimeoutError)
                self._start_error = error
                if self._is_hopeless:
                    self._end = error
                    self._announce()
                    return None
                if not error.is_lasting:
                    _log.warning("start %d of at most %d failed: %s", failures, self.config.max_start_failures, error)
            else:
                self._starts += 1
                self._make_ready(worker)
                self._posts.append(post := _Post(worker))
                self._announce()
                return post
        return None

    @property
    def _is_hopeless(self) -> bool:
        """Whether no worker ever started, and the next would not either."""
        return not self._starts and (self._start_error.is_lasting or self._slow_starts >= _SLOW_STARTS)

    def _pause_s(self, failures: int) -> float:
        return min(self.config.max_restart_delay_s, _FIRST_RESTART_DELAY_S * 2 ** (failures - 1)) if failures else 0.0

    def _give_up_place(self, index: int) -> None:
        self._places_kept -= 1
        if not (self._start_error.is_lasting or self._is_hopeless):
            _log.error("Lean worker %d is given up: its starts failed %d times", index, self.config.max_start_failures)
        if self._places_kept == 0:
            self._end = self._start_error
            self._announce()

    async def _drain(self, post: _Post, reason: RetirementReason) -> None:
        """Let a replaced worker's open proofs come to their end, within bounds, then dismiss it."""
        try:
            async with asyncio.timeout(self.config.max_drain_s):
                while post.open_proofs and post.worker.is_alive:
                    await self._change.wait()
        except TimeoutError:
            _log.info("%r still has %d open proofs; they must move", post.worker, post.open_proofs)
        await self._dismiss(post, reason)
        self._has_spare = False
        self._announce()

    async def _dismiss(self, post: _Post, reason: RetirementReason) -> None:
        """Take a worker out of the pool and end it."""
        self._indexes |= post.worker.indexes
        self._posts.remove(post)
        self._requests_of_the_past += post.worker.requests
        self._retirements[reason] += 1
        _log.info("%r is replaced: %s", post.worker, reason)
        self._announce()
        await post.worker.aclose(StaleState(f"the worker of this proof was replaced ({reason})"))
