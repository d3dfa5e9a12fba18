"""Proving for code that is not asynchronous: one line in a script, a cell in a notebook."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Self, final

import attrs

from leanebm._background import LazyBackground
from leanebm.core import Theorem
from leanebm.lean.embedded import InstallStage
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.events import LogObserver, Observer, PipelineEvent, StageProgressed
from leanebm.pipeline.search.proof_run import ProofAttempt, attempt, for_one_proof, theorem_of
from leanebm.pipeline.workbench import WorkbenchOpener, open_workbench
from leanebm.search import SearchBudget

_log = logging.getLogger(__name__)


@final
class _FirstUse:
    """The log; with a warning where Lean is to be fetched first, for whoever wonders why a cell takes so long."""

    def __init__(self) -> None:
        self._inner = LogObserver()
        self._has_warned = False

    def notify(self, event: PipelineEvent) -> None:
        is_download = isinstance(event, StageProgressed) and event.step == InstallStage.DOWNLOAD.value
        if is_download and not self._has_warned:
            self._has_warned = True
            _log.warning("downloading Lean, once on this machine; this first proof takes minutes")
        self._inner.notify(event)


@final
class Prover:
    """Proves statements one after the other. What that takes is started once, and ended by :meth:`close`.

    .. code-block:: python

        with Prover() as prover:
            for statement in statements:
                print(prover.prove(statement))

    In a notebook, keep one in a variable over as many cells as you like; its first proof starts it. One that is
    forgotten ends with the last reference to it. May be used from several threads.

    Args:
        config: how to search; with everything embedded by default. One Lean worker is started, whatever it says.
        observer: is told what happens; by default, the log is.
        opening: starts the policy, Lean and the certifier.
    """

    def __init__(
        self,
        config: RunConfig | None = None,
        *,
        observer: Observer | None = None,
        opening: WorkbenchOpener = open_workbench,
    ) -> None:
        self._config = for_one_proof(RunConfig() if config is None else config)
        self._observer = _FirstUse() if observer is None else observer
        self._background = LazyBackground(partial(opening, self._config, self._observer), name="the prover")

    def __enter__(self) -> Self:
        self._background.started()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        return f"<Prover: {self._background.state}>"

    def prove(
        self,
        statement: str | Theorem,
        *,
        header: str = "",
        context: str = "",
        tactics: Sequence[str] = (),
        budget: SearchBudget | None = None,
    ) -> ProofAttempt:
        """Search for a proof of ``statement``, or replay ``tactics``, and have what is found certified.

        Args:
            statement: a Lean proposition, such as ``∀ n : Nat, n + 0 = n``, or a theorem, as text or as an object.
            header: ``open``, ``universe`` and ``set_option`` lines in front of it; an object has its own.
            context: definitions and other commands that it needs; an object has its own.
            tactics: are replayed instead of searching, if there are any.
            budget: how long to search; the configuration's if ``None``.

        Raises:
            ConfigError: something is wrong with the statement or the header that can be seen without Lean.
            StatementError: Lean does not accept the statement or the header.
            LeanError, PolicyError: something broke; nothing is known about the statement.
            PoolClosed: the prover was closed.
        """
        theorem = statement
        if not isinstance(theorem, Theorem):
            theorem = theorem_of(theorem, header=header, context=context, imports=self._config.lean.imports)
        search = self._config.search if budget is None else attrs.evolve(self._config.search, budget=budget)
        background = self._background.started()
        return background.call(
            attempt(theorem, background.value, search=search, tactics=tactics, observer=self._observer)
        )

    def close(self) -> None:
        """End Lean and everything else. Closing twice is allowed."""
        self._background.close()


def prove(
    statement: str | Theorem,
    *,
    header: str = "",
    context: str = "",
    tactics: Sequence[str] = (),
    budget: SearchBudget | None = None,
    config: RunConfig | None = None,
) -> ProofAttempt:
    """Prove one statement, in a script or in a notebook, with everything embedded unless ``config`` says otherwise.

    Starts what it needs and ends it again, which takes seconds; a :class:`Prover` keeps it for the next statement.
    On its first use on a machine, the embedded Lean is downloaded and prepared, which takes minutes. The other
    arguments, and what is raised, are :meth:`Prover.prove`'s.
    """
    with Prover(config) as prover:
        return prover.prove(statement, header=header, context=context, tactics=tactics, budget=budget)
