"""What a pipeline tells while it works, so that how it is shown stays somebody else's business."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol, assert_never, final

import attrs

from leanebm.core import ContrastiveGroup, Theorem
from leanebm.data import ContrastiveRecord
from leanebm.errors import LeanEbmError
from leanebm.pipeline.run_folder import RunFolder
from leanebm.search import SearchResult

__all__ = [
    "GenerationFinished",
    "GenerationStarted",
    "LogObserver",
    "Observer",
    "PipelineEvent",
    "ProofReplayed",
    "RunFinished",
    "RunStarted",
    "SearchAdvanced",
    "StageFinished",
    "StageProgressed",
    "StageStarted",
    "TheoremFinished",
    "TheoremRefused",
    "TheoremStarted",
]

_log = logging.getLogger(__name__)


@attrs.frozen
class StageStarted:
    """A part of the work began that has to be done before searching."""

    stage: str
    """What is being done: ``preparing Lean``, ``starting the policy server`` …"""


@attrs.frozen
class StageProgressed:
    """A stage came further."""

    stage: str
    step: str
    """What of it is being done: ``downloading``, ``unpacking`` …"""

    fraction: float | None
    """Share of the step that is done, in [0, 1]; ``None`` where that is not known."""


@attrs.frozen
class StageFinished:
    """A stage is done."""

    stage: str
    elapsed_s: float


@attrs.frozen
class RunStarted:
    """Everything is up; searching begins."""

    folder: RunFolder
    total: int
    """Theorems to search now."""

    skipped: int
    """Theorems that an earlier, resumed run has finished with."""


@attrs.frozen
class TheoremStarted:
    """A theorem's search began."""

    theorem: Theorem


@attrs.frozen(kw_only=True)
class SearchAdvanced:
    """A search is about to expand another node."""

    theorem: Theorem
    nodes: int
    """Proof states found so far, the root included."""

    tactic_calls: int
    """Tactics run so far."""


@attrs.frozen
class TheoremFinished:
    """A theorem's search ended, and what it found is on disk."""

    result: SearchResult
    proof: Path | None
    """The certified proof's file, if there is one."""


@attrs.frozen
class TheoremRefused:
    """A theorem could not be searched, because its statement or header does not elaborate."""

    theorem: Theorem
    error: LeanEbmError


@attrs.frozen
class RunFinished:
    """No theorem is left to search."""

    elapsed_s: float
    """Seconds since searching began."""


@attrs.frozen(kw_only=True)
class GenerationStarted:
    """Everything is up; known proofs are about to be replayed."""

    folder: Path
    """Where contrastive groups go."""

    total: int
    """Proofs to replay now."""

    skipped: int
    """Proofs that an earlier, resumed run has finished with."""

    too_short: int
    """Proofs that have fewer steps than was asked for."""


@attrs.frozen
class ProofReplayed:
    """A known proof was replayed, or failed to; what came of it is on disk."""

    record: ContrastiveRecord
    groups: tuple[ContrastiveGroup, ...] = attrs.field(repr=lambda groups: f"<{len(groups)}>")


@attrs.frozen
class GenerationFinished:
    """No proof is left to replay."""

    elapsed_s: float
    """Seconds since replaying began."""


PipelineEvent = (
    StageStarted
    | StageProgressed
    | StageFinished
    | RunStarted
    | TheoremStarted
    | SearchAdvanced
    | TheoremFinished
    | TheoremRefused
    | RunFinished
    | GenerationStarted
    | ProofReplayed
    | GenerationFinished
)
"""Closed union: match it exhaustively."""


class Observer(Protocol):
    """Is told what happens. Any object with this method will do."""

    def notify(self, event: PipelineEvent) -> None:
        """Take note of ``event``; called on the event loop, so it must return at once.

        Events of stages come in order; those of theorems that run at the same time interleave.
        """
        ...


@final
class LogObserver:
    """Writes events to the log, one line each; what a script gets that does not care."""

    def notify(self, event: PipelineEvent) -> None:
        """Log ``event``: stages and theorems at INFO, single steps and nodes at DEBUG."""
        match event:
            case StageStarted(stage=stage):
                _log.info("%s …", stage)
            case StageProgressed(step=step, fraction=fraction):
                _log.debug("%s: %s", step, fraction)
            case StageFinished(stage=stage, elapsed_s=elapsed_s):
                _log.info("%s: done in %.1f s", stage, elapsed_s)
            case RunStarted(folder=folder, total=total, skipped=skipped):
                _log.info("searching %d theorems (%d done before) into %s", total, skipped, folder.path)
            case TheoremStarted(theorem=theorem):
                _log.debug("%s: started", theorem.name)
            case SearchAdvanced(theorem=theorem, nodes=nodes):
                _log.debug("%s: %d nodes", theorem.name, nodes)
            case TheoremFinished(result=result):
                _log.info("%s: %s", result.theorem.name, result.outcome.value)
            case TheoremRefused(theorem=theorem, error=error):
                _log.warning("%s: %s", theorem.name, error)
            case RunFinished(elapsed_s=elapsed_s):
                _log.info("searched in %.1f s", elapsed_s)
            case GenerationStarted(folder=path, total=total, skipped=skipped):
                _log.info("replaying %d proofs (%d done before) into %s", total, skipped, path)
            case ProofReplayed(record=record):
                _log.info("%s: %s, %d groups", record.theorem.name, record.outcome, record.num_groups)
            case GenerationFinished(elapsed_s=elapsed_s):
                _log.info("replayed in %.1f s", elapsed_s)
            case _:
                assert_never(event)
