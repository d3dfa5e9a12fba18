"""Shows a person what a job is doing: a live region on a terminal, plain lines everywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Self, final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from leanebm.cli._console import ClearConsole
from leanebm.pipeline import Observer, PipelineEvent, StageFinished, StageProgressed, StageStarted

_NOTEWORTHY_S = 0.5
"""Stages shorter than this are not worth a line."""

_EVERY_S = 30.0
"""How often a log is told how far a stage is."""


def open_display(console: Console | None = None) -> AbstractContextManager[Observer]:
    """The display that suits ``console``: by default standard error, so that standard output holds results only."""
    console = ClearConsole(stderr=True) if console is None else console
    return LiveDisplay(console) if console.is_terminal else nullcontext(PlainDisplay(console))


@final
class PlainDisplay:
    """One line for each thing that happened; for files, pipes and logs."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._step = ""
        self._started_s = self._last_line_s = clock()

    def notify(self, event: PipelineEvent) -> None:
        """Print ``event``, if a reader of the whole log would want to know."""
        match event:
            case StageStarted(stage=stage, detail=detail):
                self._step, self._started_s = "", self._clock()
                if detail:
                    self._say(f"{stage} {detail}")
            case StageProgressed(item=item) if item is not None:
                self._say(f"[{event.done:>{len(str(event.total))}}/{event.total}] {item.line}")
            case StageProgressed(stage=stage, step=step) if step not in ("", self._step):
                self._step = step
                self._say(f"{stage}: {step} …")
            case StageProgressed() if self._clock() - self._last_line_s >= _EVERY_S:
                how_far = filter(None, (_how_far(event), *event.counts.splitlines(), self._left(event)))
                self._say(f"{event.stage}: {' · '.join(how_far)}")
            case StageFinished(stage=stage, elapsed_s=elapsed_s) if elapsed_s >= _NOTEWORTHY_S:
                self._say(f"{stage}: done in {elapsed_s:.1f} s")
            case _:
                pass

    def _left(self, event: StageProgressed) -> str:
        if not event.done or event.total is None:
            return ""
        left_s = (self._clock() - self._started_s) * (event.total - event.done) / event.done
        return f"({timedelta(seconds=round(left_s))} left)"

    def _say(self, line: str) -> None:
        self._last_line_s = self._clock()
        self._console.print(Text(line.replace("\n", " ")), soft_wrap=True)


@final
class LiveDisplay:
    """A few lines at the bottom of the terminal that are redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._counts = ""
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[how_far]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Give the region back."""
        self._live.stop()

    def notify(self, event: PipelineEvent) -> None:
        """Redraw with ``event``; trouble, and stages that took time, leave a line behind."""
        match event:
            case StageStarted(stage=stage, detail=detail):
                self._tasks[stage] = self._progress.add_task(stage, total=None, how_far="")
                if detail:
                    self._console.print(Text(f"{stage} {detail}"))
            case StageProgressed(stage=stage, item=item):
                self._counts = event.counts
                self._progress.update(
                    self._tasks[stage], completed=event.done or 0, total=event.total, how_far=_how_far(event)
                )
                if item is not None and item.is_trouble:
                    self._console.print(Text(item.line, style="yellow"))
            case StageFinished(stage=stage, elapsed_s=elapsed_s):
                self._counts = ""
                self._progress.remove_task(self._tasks.pop(stage))
                if elapsed_s >= _NOTEWORTHY_S:
                    self._console.print(Text(f"{stage}: done in {elapsed_s:.1f} s", style="dim"))

    def _render(self) -> RenderableType:
        return Group(self._progress, *map(Text, self._counts.splitlines()))


def _how_far(event: StageProgressed) -> str:
    if event.done is None:
        return event.step
    done = f"{event.done:,}" if event.total is None else f"{event.done:,}/{event.total:,}"
    return f"{event.step} {done}".strip()
