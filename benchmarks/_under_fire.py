"""What the supervisors in ``kill_*.py`` share: kill a command again and again, start it anew, judge what it leaves.

A command is killed (SIGKILL) at random moments; every second time as soon as a file appears, where a half-written one
would show. What is required after each kill, from the files alone, a :class:`Job` says. Of every job it is required
that completed runs end as an undisturbed one did, that no half-written file is left then, and that no process lives on:
orphans become our children (``PR_SET_CHILD_SUBREAPER``), so we see them.
"""

from __future__ import annotations

import abc
import ctypes
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import attrs
import click
import psutil

from leanebm.errors import ConfigError, LeanEbmError, TrajectoryError
from leanebm.storage import ShardSet

PR_SET_CHILD_SUBREAPER = 36
SURVIVAL_LIMIT_S = 10.0


class Job(abc.ABC):
    """A command that can be run over and over, and goes on with what is there."""

    @abc.abstractmethod
    def command(self, output: Path) -> Sequence[str]:
        """Begin, or go on with, the run in the folder ``output``."""

    @abc.abstractmethod
    def inspect(self, output: Path, known: dict[str, str], findings: Findings) -> None:
        """Read everything that the run has written so far, and add what is wrong to the findings.

        Args:
            output: the run's folder; it may not be there yet.
            known: what the files of this run have told before and must go on telling, to be added to.
            findings: where faults go.
        """

    @abc.abstractmethod
    def results(self, output: Path) -> dict[str, str]:
        """All of a completed run that must not depend on whether it was killed, by name."""

    def beside(self) -> Collection[int]:
        """Ids of processes that live on beside the command."""
        return ()

    def between(self) -> None:  # noqa: B027 - most have nothing to do then
        """Called after each kill, before the command goes on."""


@attrs.define
class Findings:
    """What was seen, and every fault that was found."""

    faults: list[str] = attrs.field(factory=list)
    kills: int = 0
    kills_at_a_file: int = 0
    completed_runs: int = 0
    equal_runs: int = 0
    files_read: int = 0
    survivals_s: list[float] = attrs.field(factory=list)
    """For how long after each kill some process of the run lived on."""

    records_at_kills: list[int] = attrs.field(factory=list)
    hit: Counter[str] = attrs.field(factory=Counter)
    """How many kills came in what, where the job tells."""

    def report(self, usual_s: float) -> dict[str, Any]:
        """The figures, beside the seconds of an undisturbed run."""
        return {
            "seconds undisturbed": round(usual_s, 1),
            "kills": self.kills,
            "of these as a file appeared": self.kills_at_a_file,
            "runs completed": self.completed_runs,
            "of these equal": self.equal_runs,
            "files read after kills": self.files_read,
            "records kept at a kill, median": statistics.median(self.records_at_kills or [0]),
            **({"hit": dict(self.hit)} if self.hit else {}),
            "longest survival of a child, s": round(max(self.survivals_s, default=0.0), 2),
            "faults": self.faults,
        }


def end_with(report: Mapping[str, object], json_file: Path | None, *, is_clean: bool) -> NoReturn:
    """Print the report, write it to a file if one was named, and end: with status 0 if nothing is wrong."""
    width = max(map(len, report))
    click.echo("\n".join(f"{name:>{width}}  {value}" for name, value in report.items()))
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n")
    sys.exit(0 if is_clean else 1)


def adopt_orphans() -> None:
    """Become the parent of whatever outlives its own."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run_under_fire(job: Job, folder: Path, kills: int, rng: random.Random) -> tuple[dict[str, str], float, Findings]:
    """The undisturbed run's results, its seconds, and what was found in the others."""
    log = folder / "log"
    began = time.monotonic()
    if (status := start(job, folder / "undisturbed", log).wait()) != 0:
        raise SystemExit(f"the undisturbed run failed with status {status}: see {log}")
    usual_s = time.monotonic() - began
    expected = job.results(folder / "undisturbed")
    findings = Findings()
    known: dict[str, str] = {}
    is_under_way = False
    while findings.kills < kills or is_under_way:
        output = folder / f"run-{findings.completed_runs}"
        run = start(job, output, log)
        at_a_file = findings.kills < kills and wait_for_the_moment(run, output, rng, usual_s)
        if findings.kills < kills and run.poll() is None:
            run.send_signal(signal.SIGKILL)
            findings.kills += 1
            findings.kills_at_a_file += at_a_file
        status = run.wait()
        try:
            findings.survivals_s.append(end_of_descendants(job.beside()))
        except TimeoutError as error:
            findings.faults.append(f"after kill {findings.kills}: {error}")
        try:
            job.inspect(output, known, findings)
        except (LeanEbmError, OSError, ValueError) as error:  # pyarrow's errors are of these, too
            findings.faults.append(f"unreadable after kill {findings.kills}: {error}")
        is_under_way = status != 0
        if status == 0:
            compare(job, output, expected, findings)
            known = {}
        elif status != -signal.SIGKILL:
            findings.faults.append(f"run {output.name} ended with status {status}: see {log}")
            break
        if is_under_way:
            job.between()
    return expected, usual_s, findings


def start(job: Job, output: Path, log: Path) -> subprocess.Popen[bytes]:
    """Run the job's command, its output added to ``log``."""
    with log.open("ab") as lines:
        return subprocess.Popen(job.command(output), stdout=lines, stderr=lines)


# --- killing ------------------------------------------------------------------------------------


def wait_for_the_moment(run: subprocess.Popen[bytes], folder: Path, rng: random.Random, usual_s: float) -> bool:
    """Wait for a random moment of the run, or for one when a file has just appeared; whether it was the second."""
    if rng.random() < 0.5:
        wait_at_most(run, rng.uniform(0.0, usual_s))
        return False
    awaited = rng.randint(1, 4)
    seen = set(files_in(folder))
    while awaited and run.poll() is None:
        now = set(files_in(folder))
        awaited -= bool(now - seen)
        seen = now
        time.sleep(0.0005)
    return run.poll() is None


def wait_at_most(run: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for the run's end, but no longer than that."""
    try:
        run.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return


def files_in(folder: Path) -> Iterator[str]:
    """Names of the files of a run, hidden and half-written ones too."""
    for _, _, names in os.walk(folder):
        yield from names


def end_of_descendants(spared: Collection[int] = ()) -> float:
    """Wait until no process below this one is left, but those ``spared``; the seconds that took.

    Raises:
        TimeoutError: some live on.
    """
    began = time.monotonic()
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:  # orphans are ours to reap
                pass
            is_over = all(child.pid in spared for child in psutil.Process().children())
        except ChildProcessError:
            is_over = True
        if is_over:
            return time.monotonic() - began
        if time.monotonic() - began > SURVIVAL_LIMIT_S:
            left = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
            raise TimeoutError(f"still running {SURVIVAL_LIMIT_S:g} s after the kill: {left}")
        time.sleep(0.005)


# --- judging ------------------------------------------------------------------------------------


def inspect_shards(
    read: Callable[[Path], ShardSet[Any, Any]], path: Path, known: dict[str, str], findings: Findings
) -> None:
    """Read a folder of shards to the last row: no theorem may have ended twice, or otherwise than it was known to."""
    try:
        shards = read(path).shards
    except (ConfigError, TrajectoryError) as error:
        if known or not isinstance(error, ConfigError):  # there may be none yet
            findings.faults.append(f"unreadable after kill {findings.kills}: {error}")
        return
    for shard in shards:
        shard.table()
    findings.files_read += len(shards)
    records = [record for shard in shards for record in shard.records if record.is_final]
    final = {record.theorem.name: record.outcome for record in records}
    twice = [name for name, times in Counter(record.theorem.name for record in records).items() if times > 1]
    lost = [name for name, outcome in known.items() if final.get(name) != outcome]
    for what, names in (("finished twice", twice), ("lost", lost)):
        findings.faults += [f"{what} after kill {findings.kills}: {name}" for name in names]
    known |= final
    findings.records_at_kills.append(len(final))


def compare(job: Job, output: Path, expected: dict[str, str], findings: Findings) -> None:
    """A completed run against the undisturbed one."""
    found = job.results(output)
    differing = [
        f"{name}: {found.get(name, 'missing')}, undisturbed {expected.get(name, 'missing')}"
        for name in sorted({*found, *expected})
        if found.get(name) != expected.get(name)
    ]
    half_written = [path.name for pattern in ("*.tmp", "*.part") for path in output.rglob(pattern)]
    findings.completed_runs += 1
    findings.equal_runs += not differing
    findings.faults += [f"run {output.name} ended differently: {line}" for line in differing]
    findings.faults += [f"run {output.name} left {name}" for name in half_written]
