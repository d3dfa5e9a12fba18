"""Which theorems fall to a single automation tactic: how hard a theorem set is before any search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import attrs

from leanebm._shown import fitting_repr, named_repr
from leanebm.core import ProofEnvironment, ProofFinished, ProofSession, Theorem
from leanebm.errors import LeanError
from leanebm.lean import ReplayingEnvironment
from leanebm.pipeline._concurrently import for_each
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.events import LogObserver, Observer, stage
from leanebm.pipeline.workbench import open_lean

AUTOMATION = ("rfl", "decide", "simp", "simp_all", "omega", "grind")
"""The tactics that are tried by default, the cheapest first."""

_INTROS = "intros"


@attrs.frozen(kw_only=True)
class ProbeResult:
    """What single tactics did to one theorem."""

    theorem: Theorem
    closed_by: tuple[str, ...] = ()
    """Tactics that left no goal, in the order they were tried. Closed is not certified: it is a probe."""

    error: str = ""
    """Why nothing is known of this theorem; empty if all is well."""

    __repr__ = fitting_repr

    @property
    def needs_search(self) -> bool:
        """Whether no single tactic was enough."""
        return not self.closed_by and not self.error


async def probe(
    theorems: Sequence[Theorem],
    environment: ProofEnvironment,
    *,
    tactics: Sequence[str] = AUTOMATION,
    concurrency: int = 4,
) -> tuple[ProbeResult, ...]:
    """Try each tactic by itself on each theorem, as it stands and, where that fails, after ``intros``.

    Args:
        theorems: what to try.
        environment: where to run tactics.
        tactics: what to try, one at a time.
        concurrency: theorems tried at the same time, at least 1.

    Returns:
        One result per theorem, in the same order. A theorem that does not elaborate, or on which Lean
        broke, has ``error`` set; the others go on.
    """
    return await for_each(theorems, lambda each: _probe_one(each, environment, tactics), concurrency=concurrency)


@final
class ProbeRun:
    """One probe of many theorems: Lean is started, :func:`probe` is done with it, Lean is stopped.

    Args:
        config: which Lean, and how many theorems at a time.
        theorems: what to try.
        tactics: what to try on them, one at a time.
        observer: is told what happens.
    """

    def __init__(
        self,
        config: RunConfig,
        theorems: Sequence[Theorem],
        *,
        tactics: Sequence[str] = AUTOMATION,
        observer: Observer | None = None,
    ) -> None:
        self._config = config
        self._theorems = theorems
        self._tactics = tactics
        self._observer = LogObserver() if observer is None else observer

    __repr__ = named_repr("_theorems")

    async def run(self) -> tuple[ProbeResult, ...]:
        """One result per theorem, in the same order.

        Raises:
            LeanInstallError: no usable Lean could be found or prepared.
            WorkerStartError: Lean does not start.
        """
        config = self._config
        async with open_lean(config.lean, self._observer) as pool:
            with stage(self._observer, "probing"):
                environment = ReplayingEnvironment(pool)
                return await probe(self._theorems, environment, tactics=self._tactics, concurrency=config.concurrency)


async def _probe_one(theorem: Theorem, environment: ProofEnvironment, tactics: Sequence[str]) -> ProbeResult:
    try:
        async with environment.open(theorem) as session:
            closed_by = [tactic for tactic in tactics if await _closes(session, tactic)]
    except LeanError as error:
        return ProbeResult(theorem=theorem, error=str(error))
    return ProbeResult(theorem=theorem, closed_by=tuple(closed_by))


async def _closes(session: ProofSession, tactic: str) -> bool:
    for attempt in (tactic, f"{_INTROS}\n{tactic}"):
        if isinstance(await session.run_tactic(session.root, attempt), ProofFinished):
            return True
    return False
