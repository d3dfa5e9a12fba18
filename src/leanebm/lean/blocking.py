"""The pool for code that is not asynchronous: scripts, and notebooks whose loop is already running."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from leanebm.core.outcome import TacticOutcome
from leanebm.core.proof_state import ProofState
from leanebm.core.theorem import Theorem
from leanebm.errors import PoolClosed
from leanebm.lean.config import LeanPoolConfig
from leanebm.lean.pool import LeanPool
from leanebm.lean.proof import ProofHandle
from leanebm.lean.statistics import PoolStatistics

__all__ = ["BlockingLeanPool", "BlockingProof"]

R = TypeVar("R")


class BlockingLeanPool:
    """A :class:`~leanebm.lean.LeanPool` on an event loop of its own, in a thread of its own.

    .. code-block:: python

        with BlockingLeanPool(LeanPoolConfig.auto()) as pool:
            with pool.open(Theorem(name="two", statement="1 + 1 = 2")) as proof:
                outcome = proof.run_tactic(proof.root, "rfl")

    May be used from several threads. Raises what the asynchronous pool raises.
    """

    def __init__(self, config: LeanPoolConfig) -> None:
        self.config = config
        self._thread = threading.Thread(target=self._run, name="leanebm-pool", daemon=True)
        self._ready: Future[LeanPool] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leave: asyncio.Event | None = None
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._ready.result()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End every worker, the loop and the thread."""
        self._stop()
        if self._failure is not None and error is None:
            raise self._failure

    @contextmanager
    def open(self, theorem: Theorem) -> Iterator[BlockingProof]:
        """Start a proof; leaving the block frees all its states. Raises as ``LeanPool.open``."""
        handle = self._call(self._pool().open_owned(theorem))
        try:
            yield BlockingProof(self._call, handle)
        finally:
            self._call(handle.aclose())

    def statistics(self) -> PoolStatistics:
        """The pool at this moment."""
        pool = self._pool()

        async def ask() -> PoolStatistics:
            return pool.statistics()

        return self._call(ask())

    def _pool(self) -> LeanPool:
        if self._loop is None or not self._ready.done():
            raise PoolClosed("the pool is used with 'with BlockingLeanPool(config) as pool:'")
        return self._ready.result()

    def _call(self, work: Coroutine[Any, Any, R]) -> R:
        """Run ``work`` on the pool's loop; an interrupt of the waiting thread cancels it there."""
        if self._loop is None:
            work.close()
            raise PoolClosed("the pool was closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _stop(self) -> None:
        loop, leave, self._loop = self._loop, self._leave, None
        if loop is not None and leave is not None:
            with suppress(RuntimeError):  # the loop has just ended by itself
                loop.call_soon_threadsafe(leave.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that is to see it
            self._loop = None
            if self._ready.done():
                self._failure = error
            else:
                self._ready.set_exception(error)

    async def _serve(self) -> None:
        self._leave = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        async with LeanPool(self.config) as pool:
            self._ready.set_result(pool)
            await self._leave.wait()


class BlockingProof:
    """A :class:`~leanebm.lean.ProofHandle` whose methods wait for their result."""

    def __init__(self, call: Callable[[Coroutine[Any, Any, Any]], Any], handle: ProofHandle) -> None:
        self._call = call
        self._handle = handle

    @property
    def theorem(self) -> Theorem:
        """What is being proved."""
        return self._handle.theorem

    @property
    def root(self) -> ProofState:
        """The state before any tactic."""
        return self._handle.root

    def run_tactic(self, state: ProofState, tactic: str) -> TacticOutcome:
        """Run ``tactic`` on ``state``'s first goal. Raises as ``ProofHandle.run_tactic``."""
        outcome: TacticOutcome = self._call(self._handle.run_tactic(state, tactic))
        return outcome

    def free(self, states: Sequence[ProofState]) -> None:
        """Forget states that will not be visited again."""
        self._call(self._handle.free(states))
