"""Shows a person what a run is doing: a live region on a terminal, plain lines everywhere else."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

import attrs
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from leanebm.core import Certificate, Evidence
from leanebm.pipeline import (
    GenerationFinished,
    GenerationStarted,
    PipelineEvent,
    ProofReplayed,
    RunFinished,
    RunStarted,
    SearchAdvanced,
    StageFinished,
    StageProgressed,
    StageStarted,
    TheoremFinished,
    TheoremRefused,
)
from leanebm.search import SearchOutcome

__all__ = ["Display", "GenerationTally", "LiveDisplay", "PlainDisplay", "RunTally", "display_on"]


@attrs.define(kw_only=True)
class GenerationTally:
    """A run that makes contrastive groups in numbers, at this moment."""

    total: int = 0
    outcomes: Counter[str] = attrs.field(factory=Counter)
    groups: int = 0
    evidence: Counter[Evidence] = attrs.field(factory=Counter)
    fates: Counter[str] = attrs.field(factory=Counter)

    def take(self, event: PipelineEvent) -> None:
        """Count what ``event`` tells."""
        match event:
            case GenerationStarted(total=total):
                self.total = total
            case ProofReplayed(record=record, groups=groups):
                self.outcomes[record.outcome] += 1
                self.groups += len(groups)
                self.fates.update(record.fates)
                self.evidence.update(negative.evidence for group in groups for negative in group.negatives)
            case _:
                pass

    @property
    def done(self) -> int:
        """Proofs that need no more replaying in this run."""
        return self.outcomes.total()

    @property
    def lost(self) -> int:
        """Proofs of which nothing is known, because something broke."""
        return self.outcomes["infrastructure"]

    @property
    def verified(self) -> int:
        """Proofs that were replayed to their certified end."""
        return self.outcomes["verified"]

    @property
    def lines(self) -> list[str]:
        """The counts, for a person."""
        failed = self.done - self.verified - self.lost
        broken = f" · lost {self.lost}" if self.lost else ""
        provable = self.fates["closed"] + self.fates["provable"]
        replays = f"verified {self.verified} · failed {failed}{broken}    {self.groups:,} groups"
        negatives = f"{self.evidence.total():,} negatives ({self.evidence[Evidence.DEAD]:,} dead)"
        return [f"{replays} · {negatives} · {provable:,} dropped as provable"]


@attrs.define(kw_only=True)
class RunTally:
    """A run in numbers, at this moment."""

    clock: Callable[[], float] = time.monotonic
    total: int = 0
    skipped: int = 0
    outcomes: Counter[SearchOutcome] = attrs.field(factory=Counter)
    refused: int = 0
    newest_proof: Certificate | None = None
    _started_s: float | None = None
    _finished_nodes: int = 0
    _finished_calls: int = 0
    _running: dict[str, SearchAdvanced] = attrs.field(factory=dict)

    def take(self, event: PipelineEvent) -> None:
        """Count what ``event`` tells."""
        match event:
            case RunStarted(total=total, skipped=skipped):
                self.total, self.skipped, self._started_s = total, skipped, self.clock()
            case SearchAdvanced(theorem=theorem):
                self._running[theorem.name] = event
            case TheoremRefused(theorem=theorem):
                self._running.pop(theorem.name, None)
                self.refused += 1
            case TheoremFinished(result=result):
                self._running.pop(result.theorem.name, None)
                self.outcomes[result.outcome] += 1
                self._finished_nodes += result.statistics.nodes
                self._finished_calls += result.statistics.tactic_calls
                self.newest_proof = result.certificate or self.newest_proof
            case _:
                pass

    @property
    def done(self) -> int:
        """Theorems that need no more searching in this run."""
        return self.outcomes.total() + self.refused

    @property
    def proved(self) -> int:
        """Theorems with a certified proof."""
        return self.outcomes[SearchOutcome.PROVED]

    @property
    def lost(self) -> int:
        """Theorems of which nothing is known, because something broke."""
        return self.outcomes[SearchOutcome.INFRASTRUCTURE]

    @property
    def not_proved(self) -> int:
        """Theorems whose search ended without a proof."""
        return self.outcomes.total() - self.proved - self.lost

    @property
    def nodes(self) -> int:
        """Proof states found."""
        return self._finished_nodes + sum(event.nodes for event in self._running.values())

    @property
    def tactic_calls(self) -> int:
        """Tactics run."""
        return self._finished_calls + sum(event.tactic_calls for event in self._running.values())

    @property
    def calls_per_s(self) -> float:
        """Tactics run a second, on average since searching began."""
        elapsed_s = self.clock() - self._started_s if self._started_s is not None else 0.0
        return self.tactic_calls / elapsed_s if elapsed_s > 0.0 else 0.0


_NOTEWORTHY_S = 0.5

"""Stages shorter than this are not worth a line."""

_WHOLE = 100


class Display(Protocol):
    """An observer with a region of the screen to give back."""

    tally: RunTally
    generation: GenerationTally

    def notify(self, event: PipelineEvent) -> None:
        """Show ``event``."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def display_on(console: Console) -> Display:
    """The display that suits ``console``."""
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)


class PlainDisplay:
    """One line for each thing that happened; for files, pipes and logs."""

    def __init__(self, console: Console) -> None:
        self.tally = RunTally()
        self.generation = GenerationTally()
        self._console = console
        self._step = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing to give back."""

    def notify(self, event: PipelineEvent) -> None:
        """Print ``event``, if a reader of the whole log would want to know."""
        self.tally.take(event)
        self.generation.take(event)
        match event:
            case StageProgressed(stage=stage, step=step) if step != self._step:
                self._step = step
                self._say(f"{stage}: {step} …")
            case StageFinished(stage=stage, elapsed_s=elapsed_s) if elapsed_s >= _NOTEWORTHY_S:
                self._say(f"{stage}: done in {elapsed_s:.1f} s")
            case RunStarted():
                self._say(started_line(event))
            case TheoremFinished():
                self._say(f"[{self.tally.done}/{self.tally.total}] {finished_line(event)}")
            case TheoremRefused(theorem=theorem, error=error):
                self._say(f"[{self.tally.done}/{self.tally.total}] not a theorem  {theorem.name}: {error}")
            case RunFinished(elapsed_s=elapsed_s):
                self._say(f"searching: done in {elapsed_s:.1f} s")
            case GenerationStarted():
                self._say(generation_started_line(event))
            case ProofReplayed():
                self._say(f"[{self.generation.done}/{self.generation.total}] {replayed_line(event)}")
            case GenerationFinished(elapsed_s=elapsed_s):
                self._say(f"replaying: done in {elapsed_s:.1f} s")
            case _:
                pass

    def _say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


class LiveDisplay:
    """A few lines at the bottom of the terminal that are redrawn in place."""

    def __init__(self, console: Console) -> None:
        self.tally = RunTally()
        self.generation = GenerationTally()
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._search = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the region back."""
        self._live.stop()

    def notify(self, event: PipelineEvent) -> None:
        """Redraw with what ``event`` tells; stages that took time leave a line behind."""
        self.tally.take(event)
        self.generation.take(event)
        match event:
            case StageStarted(stage=stage):
                self._progress.add_task(stage, total=None, count="")
            case StageProgressed(step=step, fraction=fraction):
                self._show_step(step, fraction)
            case StageFinished(stage=stage, elapsed_s=elapsed_s):
                self._clear_stage()
                if elapsed_s >= _NOTEWORTHY_S:
                    self._console.print(Text(f"{stage}: done in {elapsed_s:.1f} s", style="dim"))
            case RunStarted(total=total):
                self._console.print(Text(started_line(event)))
                self._search.add_task("searching", total=total)
            case TheoremRefused(theorem=theorem, error=error):
                self._console.print(Text(f"not a theorem: {theorem.name}: {error}", style="yellow"))
                self._advance()
            case TheoremFinished():
                self._advance()
            case RunFinished(elapsed_s=elapsed_s):
                self._console.print(Text(f"searching: done in {elapsed_s:.1f} s", style="dim"))
            case GenerationStarted(total=total):
                self._console.print(Text(generation_started_line(event)))
                self._search.add_task("replaying", total=total)
            case ProofReplayed(record=record):
                if record.outcome != "verified":
                    self._console.print(Text(replayed_line(event), style="yellow"))
                self._advance()
            case GenerationFinished(elapsed_s=elapsed_s):
                self._console.print(Text(f"replaying: done in {elapsed_s:.1f} s", style="dim"))
            case _:
                pass

    def _show_step(self, step: str, fraction: float | None) -> None:
        for task in self._progress.task_ids[-1:]:
            if fraction is None:
                self._progress.update(task, total=None, count=step)
            else:
                count = f"{step} {fraction:.0%}"
                self._progress.update(task, total=_WHOLE, completed=fraction * _WHOLE, count=count)

    def _clear_stage(self) -> None:
        for task in self._progress.task_ids:
            self._progress.remove_task(task)

    def _advance(self) -> None:
        for task in self._search.task_ids:
            self._search.update(task, completed=self.tally.done + self.generation.done)

    def _render(self) -> RenderableType:
        if not self._search.task_ids:
            return self._progress
        lines = self.generation.lines if self.generation.total else tally_lines(self.tally)
        return Group(self._search, *map(Text, lines), self._progress)


def started_line(event: RunStarted) -> str:
    """What a run is about to do."""
    kept = f" ({event.skipped} done before)" if event.skipped else ""
    return f"searching {_theorems(event.total)}{kept} into {event.folder.path}"


def finished_line(event: TheoremFinished) -> str:
    """How one theorem's search ended."""
    result = event.result
    numbers = f"{result.statistics.nodes:>4} nodes {result.statistics.wall_s:>6.1f} s"
    line = f"{result.outcome.value:<14} {result.theorem.name:<32} {numbers}"
    if result.certificate is not None:
        return f"{line}  {one_line(result.certificate.tactics)}"
    return f"{line}  {result.error}" if result.error is not None else line


def generation_started_line(event: GenerationStarted) -> str:
    """What a run that makes contrastive groups is about to do."""
    proofs = "one known proof" if event.total == 1 else f"{event.total} known proofs"
    kept = f", {event.skipped} done before" if event.skipped else ""
    short = f", {event.too_short} too short" if event.too_short else ""
    more = f" ({f'{kept}{short}'.removeprefix(', ')})" if kept or short else ""
    return f"replaying {proofs}{more} into {event.folder}"


def replayed_line(event: ProofReplayed) -> str:
    """What came of one known proof."""
    record = event.record
    negatives = record.fates.get("kept", 0)
    line = f"{record.outcome:<16} {record.theorem.name:<32}"
    if record.outcome == "verified":
        return f"{line} {record.num_groups:>3} groups {negatives:>4} negatives {record.wall_s:>6.1f} s"
    where = f"step {record.failed_step}: " if record.failed_step >= 0 else ""
    return f"{line} {where}{one_line((record.message,))}"


def tally_lines(tally: RunTally) -> list[str]:
    """A run so far, in two lines."""
    ended = f"proved {tally.proved} · not proved {tally.not_proved}"
    broken = f" · lost {tally.lost}" if tally.lost else ""
    work = f"{tally.nodes:,} nodes · {tally.tactic_calls:,} tactic calls · {tally.calls_per_s:.0f} calls/s"
    newest = tally.newest_proof
    if newest is None:
        return [f"{ended}{broken}    {work}"]
    return [f"{ended}{broken}    {work}", f"newest proof: {newest.theorem.name} by {one_line(newest.tactics)}"]


def one_line(tactics: tuple[str, ...], limit: int = 80) -> str:
    """A proof on one line, cut where it gets long."""
    text = "; ".join(" ".join(tactic.split()) for tactic in tactics)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _theorems(number: int) -> str:
    return "one theorem" if number == 1 else f"{number} theorems"
