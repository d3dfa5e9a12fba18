"""What training tells while it goes on, so that how it is shown stays somebody else's business."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import attrs

__all__ = [
    "StepLogged",
    "TrainingEvent",
    "TrainingObserver",
    "TrainingStarted",
    "TrainingStopped",
    "ValidationMeasured",
]


@attrs.frozen(kw_only=True)
class TrainingStarted:
    """Everything is ready; the next step is the first one made now."""

    folder: Path
    step: int
    """Steps that an earlier, interrupted run has made; 0 for a fresh one."""

    max_steps: int


@attrs.frozen(kw_only=True)
class StepLogged:
    """A step was made whose figures are logged."""

    step: int
    metrics: Mapping[str, float]
    """By the names in :data:`~leanebm.energy.training.METRIC_COLUMNS`."""


@attrs.frozen(kw_only=True)
class ValidationMeasured:
    """The head was measured on validation, and all of the run up to here is on the disk."""

    step: int
    metrics: Mapping[str, float]
    is_best: bool
    """Whether no head of this run was better before."""


@attrs.frozen(kw_only=True)
class TrainingStopped:
    """No further step will be made."""

    step: int
    stopped_early: bool
    """Whether validation had stopped to improve."""


TrainingEvent = TrainingStarted | StepLogged | ValidationMeasured | TrainingStopped
"""Closed union: match it exhaustively."""


class TrainingObserver(Protocol):
    """Is told what happens. Any object with this method will do."""

    def notify(self, event: TrainingEvent) -> None:
        """Take note of ``event``; called between two steps, in the thread that trains.

        An exception ends the training, which can be resumed.
        """
        ...
