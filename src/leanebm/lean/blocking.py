"""The pool for code that is not asynchronous: scripts, and notebooks whose loop is already running."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Coroutine, Sequence
from contextlib import nullcontext, suppress
from types import TracebackType
from typing import Any, Self

from leanebm._background import Background
from leanebm._shown import named_repr
from leanebm.core.outcome import TacticOutcome
from leanebm.core.proof_state import ProofState
from leanebm.core.theorem import Theorem
from leanebm.errors import PoolClosed
from leanebm.lean.config import LeanPoolConfig
from leanebm.lean.pool import LeanPool
from leanebm.lean.proof import ProofHandle, ProofHandleOwned
from leanebm.lean.statistics import PoolStatistics


class BlockingLeanPool:
    """A :class:`~leanebm.lean.LeanPool` on an event loop of its own, in a thread of its own.

    .. code-block:: python

        with BlockingLeanPool(LeanPoolConfig.auto()) as pool:
            with pool.open(Theorem(name="two", statement="1 + 1 = 2")) as proof:
                outcome = proof.run_tactic(proof.root, "rfl")

    In a notebook, ``pool = BlockingLeanPool(config).start()`` and ``proof = pool.open(theorem)`` last over as many
    cells as you like; ``proof.close()`` and ``pool.close()`` end them. A pool that is forgotten ends by itself.

    May be used from several threads. Raises what the asynchronous pool raises.
    """

    def __init__(self, config: LeanPoolConfig) -> None:
        self.config = config
        self._background = Background(LeanPool(config), name="the Lean pool")
        self._starting = threading.Lock()
        self._is_started = False
        weakref.finalize(self, self._background.release)

    __repr__ = named_repr("config")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End every worker, the loop and the thread."""
        with suppress(Exception) if error is not None else nullcontext():  # the first error is the story
            self.close()

    def start(self) -> Self:
        """Start the workers, if that was not done yet: for a notebook, where a pool outlives its cell."""
        with self._starting:
            if not self._is_started:
                self._background.start()
                self._is_started = True
        return self

    def close(self) -> None:
        """End every worker, the loop and the thread. May be repeated."""
        self._background.stop()

    def open(self, theorem: Theorem | str) -> BlockingProof:
        """Start a proof: for a ``with`` block, or to keep and to close. Raises as ``LeanPool.open``."""
        pool = self._background.value

        async def start() -> ProofHandleOwned:
            return await pool.open(theorem)

        return BlockingProof(self._background.call, self._background.call(start()))

    def statistics(self) -> PoolStatistics:
        """The pool at this moment."""

        async def ask() -> PoolStatistics:
            return self._background.value.statistics()

        return self._background.call(ask())


class BlockingProof:
    """A :class:`~leanebm.lean.ProofHandle` whose methods wait for their result. Close it, or use it in a ``with``."""

    def __init__(self, call: Callable[[Coroutine[Any, Any, Any]], Any], handle: ProofHandle) -> None:
        self._call = call
        self._handle = handle

    __repr__ = named_repr("_handle")

    @property
    def theorem(self) -> Theorem:
        """What is being proved."""
        return self._handle.theorem

    @property
    def root(self) -> ProofState:
        """The state before any tactic."""
        return self._handle.root

    def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        """Run ``tactic`` on one of ``state``'s goals. See :meth:`ProofHandle.run_tactic`, also for what it raises."""
        outcome: TacticOutcome = self._call(self._handle.run_tactic(state, tactic, goal=goal))
        return outcome

    def free(self, states: Sequence[ProofState]) -> None:
        """Forget states that will not be visited again."""
        self._call(self._handle.free(states))

    def close(self) -> None:
        """Forget every state and give the worker back. May be repeated, also when the pool is closed already."""
        with suppress(PoolClosed):
            self._call(self._handle.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close it."""
        self.close()
