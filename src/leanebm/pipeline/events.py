"""What a job reports while it works, so that displaying it is somebody else's business.

Every job reports in stages, and a stage in items done of a total. A display needs to know no more than that, and
a new job needs no new display.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, assert_never, final

import attrs

from leanebm._shown import fitting_repr, named_repr, printable

_log = logging.getLogger(__name__)


class StageItem(Protocol):
    """One of the many things a stage works on, as it ended. Jobs say which classes theirs are."""

    @property
    def line(self) -> str:
        """How it ended, on one line for a person."""
        ...

    @property
    def is_trouble(self) -> bool:
        """Whether a person should see the line at once, rather than in a count."""
        ...


@attrs.frozen(kw_only=True)
class StageStarted:
    """A part of a job began."""

    stage: str
    """What is being done: ``preparing Lean``, ``searching`` …"""

    detail: str = ""
    """With what, for a person: ``3 theorems into runs/a``. Empty if the stage's name says it all."""

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class StageProgressed:
    """A stage came further."""

    stage: str
    step: str = ""
    """The part of the stage that is under way: ``downloading``, ``unpacking`` …"""

    done: int | None = None
    """Items done; ``None`` where nothing is counted."""

    total: int | None = None
    """Items to do, those that are done included; ``None`` where that is not known."""

    counts: str = ""
    """Further figures, for a person: ``proved 3 · not proved 1``."""

    item: StageItem | None = None
    """What was just finished with; its class depends on the job."""

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class StageFinished:
    """A stage ended well. A stage that fails ends with the job's exception instead."""

    stage: str
    elapsed_s: float

    __repr__ = fitting_repr


PipelineEvent = StageStarted | StageProgressed | StageFinished
"""Closed union: match it exhaustively."""


class Observer(Protocol):
    """Is told what happens. Any object with this method will do."""

    def notify(self, event: PipelineEvent) -> None:
        """Take note of ``event``; called on the event loop, so it must return at once."""
        ...


@final
class LogObserver:
    """Writes events to the log, one line per event; the default of every job."""

    __repr__ = named_repr()

    def notify(self, event: PipelineEvent) -> None:
        """Log ``event``: stages and items at INFO, trouble at WARNING, everything between at DEBUG."""
        match event:
            case StageStarted(stage=name, detail=detail):
                _log.info("%s", printable(f"{name} {detail}" if detail else f"{name} …"))
            case StageProgressed(stage=name, item=item) if item is not None:
                _log.log(logging.WARNING if item.is_trouble else logging.INFO, "%s: %s", name, printable(item.line))
            case StageProgressed(stage=name):
                _log.debug("%s: %s %s of %s %s", name, event.step, event.done, event.total, event.counts)
            case StageFinished(stage=name, elapsed_s=elapsed_s):
                _log.info("%s: done in %.1f s", name, elapsed_s)
            case _:
                assert_never(event)


@final
@attrs.frozen
class Stage:
    """A stage that is under way, for the job that is in it."""

    name: str
    observer: Observer

    __repr__ = fitting_repr

    def progressed(
        self,
        step: str = "",
        *,
        done: int | None = None,
        total: int | None = None,
        counts: str = "",
        item: StageItem | None = None,
    ) -> None:
        """Report that the stage came further; the arguments are :class:`StageProgressed`'s."""
        self.observer.notify(
            StageProgressed(stage=self.name, step=step, done=done, total=total, counts=counts, item=item)
        )


@contextmanager
def stage(observer: Observer, name: str, detail: str = "") -> Iterator[Stage]:
    """Tell ``observer`` when the block begins and, unless it fails, when it has ended."""
    started_s = time.monotonic()
    observer.notify(StageStarted(stage=name, detail=detail))
    yield Stage(name, observer)
    observer.notify(StageFinished(stage=name, elapsed_s=time.monotonic() - started_s))
