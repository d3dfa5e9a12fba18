"""A run that is killed again and again: does resuming find what an undisturbed run finds, and is nothing left running?

.. code-block:: text

    python benchmarks/kill_main.py [--kills 100] [--lean chance|embedded] [--theorems 100] [--seed 0] [--json FILE]

Runs ``leanebm search`` as a process of its own, once undisturbed. Then it does so with kills (SIGKILL, at random
moments; every second one as soon as a file appears, where a half-written one would show), each time going on with
``--resume``; a run that completes is compared with the undisturbed one, and a new one is begun. After each kill it is
required, from the files alone and from the process table, that

- every shard can be read, to the last row,
- no theorem is recorded as finished twice, none that was recorded is lost, and each proof is there as a file,
- no process that the run started lives on; orphans become our children (``PR_SET_CHILD_SUBREAPER``), so we see them.

With ``chance`` the workers are real processes behind the real pool, and answer by a hash instead of by Lean
(``_chance_worker.py``), so that a run takes seconds. Exit status 0 only if nothing of this was ever broken.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import click
import psutil

from leanebm.core import Theorem
from leanebm.data import Split, bundled_theorems, library_theorems, write_theorems
from leanebm.errors import TrajectoryError
from leanebm.pipeline import summarise_run
from leanebm.trajectory import read_trajectory

PR_SET_CHILD_SUBREAPER = 36
CHANCE_WORKER = Path(__file__).with_name("_chance_worker.py")
SURVIVAL_LIMIT_S = 10.0


@attrs.frozen
class Job:
    """A search that can be run over and over."""

    arguments: tuple[str, ...]
    names: tuple[str, ...]

    def start(self, folder: Path, log: Path) -> subprocess.Popen[bytes]:
        """Begin, or go on with, the run in ``folder``."""
        command = [sys.executable, "-m", "leanebm", "search", *self.arguments, "--resume", "--output", str(folder)]
        with log.open("ab") as output:
            return subprocess.Popen(command, stdout=output, stderr=output)


@attrs.define
class Findings:
    """What was seen, and every fault that was found."""

    faults: list[str] = attrs.field(factory=list)
    kills: int = 0
    kills_at_a_file: int = 0
    completed_runs: int = 0
    equal_runs: int = 0
    shards_read: int = 0
    survivals_s: list[float] = attrs.field(factory=list)
    """For how long after each kill some process of the run lived on."""

    records_at_kills: list[int] = attrs.field(factory=list)


def chance_job(count: int, folder: Path) -> Job:
    """Statements for the worker that decides by a hash."""
    theorems = tuple(Theorem(name=f"p{number}", statement=f"P {number}") for number in range(1, count + 1))
    argv = [sys.executable, "-I", "-S", str(CHANCE_WORKER)]
    settings = (
        f'[lean]\nimports = []\nmax_requests = 200\n[lean.backend]\nkind = "command"\nargv = {json.dumps(argv)}\n'
    )
    (folder / "settings.toml").write_text(settings)
    return _job(theorems, folder, "--config", str(folder / "settings.toml"), "--budget", "12")


def embedded_job(count: int, folder: Path) -> Job:
    """The bundled theorems, then the library's test split in its order, for real Lean."""
    library = tuple(entry.theorem for entry in library_theorems(Split.TEST))
    theorems = (bundled_theorems() + library)[:count]
    return _job(theorems, folder, "--lean", "embedded", "--imports", "Init,Std", "--budget", "15")


def _job(theorems: Sequence[Theorem], folder: Path, *arguments: str) -> Job:
    write_theorems(folder / "theorems.jsonl", theorems)
    names = tuple(theorem.name for theorem in theorems)
    return Job(("--theorems", str(folder / "theorems.jsonl"), *arguments), names)


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
    for part in ("trajectory", "proofs"):
        try:
            yield from (entry.name for entry in os.scandir(folder / part))
        except FileNotFoundError:
            continue


def end_of_descendants() -> float:
    """Wait until no process below this one is left; the seconds that took.

    Raises:
        TimeoutError: some live on.
    """
    began = time.monotonic()
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:  # orphans are ours to reap
                pass
        except ChildProcessError:
            return time.monotonic() - began
        if time.monotonic() - began > SURVIVAL_LIMIT_S:
            left = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
            raise TimeoutError(f"still running {SURVIVAL_LIMIT_S:g} s after the kill: {left}")
        time.sleep(0.005)


# --- judging ------------------------------------------------------------------------------------


def inspect(folder: Path, known: dict[str, str], findings: Findings) -> None:
    """Read everything that the run has written so far, and add what is wrong to the findings."""
    try:
        trajectory = read_trajectory(folder / "trajectory")
    except TrajectoryError as error:
        if known or not any(words in str(error) for words in ("holds no finished shard", "does not exist")):
            findings.faults.append(f"unreadable after kill {findings.kills}: {error}")
        return
    for shard in trajectory.shards:
        shard.table()
        findings.shards_read += 1
    records = [record for shard in trajectory.shards for record in shard.records]
    final = {record.theorem.name: record.outcome for record in records if record.is_final}
    twice = [name for name, times in Counter(r.theorem.name for r in records if r.is_final).items() if times > 1]
    lost = [name for name, outcome in known.items() if final.get(name) != outcome]
    missing = [name for name, outcome in final.items() if outcome == "proved" and not proof_file(folder, name).exists()]
    for what, names in (("finished twice", twice), ("lost", lost), ("without proof file", missing)):
        findings.faults += [f"{what} after kill {findings.kills}: {name}" for name in names]
    known |= final
    findings.records_at_kills.append(len(final))


def proof_file(folder: Path, name: str) -> Path:
    """Where a proof belongs; the names of both jobs are plain enough to be file names."""
    return folder / "proofs" / f"{name}.lean"


def outcomes_of(folder: Path) -> dict[str, str]:
    """How each theorem ended."""
    return {record.theorem.name: record.outcome for record in summarise_run(folder).records}


def compare(folder: Path, expected: dict[str, str], findings: Findings) -> None:
    """A completed run against the undisturbed one."""
    found = outcomes_of(folder)
    differing = [
        f"{name}: {outcome}, undisturbed {expected[name]}"
        for name, outcome in found.items()
        if outcome != expected[name]
    ]
    if found.keys() != expected.keys():
        differing.append(f"theorems missing: {sorted(expected.keys() - found.keys())}")
    half_written = [path.name for pattern in ("*.tmp", "*.part") for path in folder.rglob(pattern)]
    findings.completed_runs += 1
    findings.equal_runs += not differing
    findings.faults += [f"run {folder.name} ended differently: {line}" for line in differing]
    findings.faults += [f"run {folder.name} left {name}" for name in half_written]


def run_under_fire(job: Job, folder: Path, kills: int, rng: random.Random) -> tuple[dict[str, str], float, Findings]:
    """The undisturbed run's outcomes, its seconds, and what was found in the others."""
    log = folder / "log"
    began = time.monotonic()
    if (status := job.start(folder / "undisturbed", log).wait()) != 0:
        raise SystemExit(f"the undisturbed run failed with status {status}: see {log}")
    usual_s = time.monotonic() - began
    expected = outcomes_of(folder / "undisturbed")
    findings = Findings()
    known: dict[str, str] = {}
    while findings.kills < kills or known:
        output = folder / f"run-{findings.completed_runs}"
        run = job.start(output, log)
        at_a_file = findings.kills < kills and wait_for_the_moment(run, output, rng, usual_s)
        if findings.kills < kills and run.poll() is None:
            run.send_signal(signal.SIGKILL)
            findings.kills += 1
            findings.kills_at_a_file += at_a_file
        status = run.wait()
        try:
            findings.survivals_s.append(end_of_descendants())
        except TimeoutError as error:
            findings.faults.append(f"after kill {findings.kills}: {error}")
        inspect(output, known, findings)
        if status == 0:
            compare(output, expected, findings)
            known = {}
        elif status != -signal.SIGKILL:
            findings.faults.append(f"run {output.name} ended with status {status}")
            break
    return expected, usual_s, findings


def report_on(expected: dict[str, str], usual_s: float, findings: Findings) -> dict[str, Any]:
    """The figures."""
    return {
        "theorems": len(expected),
        "outcomes undisturbed": dict(Counter(expected.values())),
        "seconds undisturbed": round(usual_s, 1),
        "kills": findings.kills,
        "of these as a file appeared": findings.kills_at_a_file,
        "runs completed": findings.completed_runs,
        "of these equal": findings.equal_runs,
        "shards read after kills": findings.shards_read,
        "records kept at a kill, median": statistics.median(findings.records_at_kills or [0]),
        "longest survival of a child, s": round(max(findings.survivals_s, default=0.0), 2),
        "faults": findings.faults,
    }


@click.command()
@click.option("--kills", default=100, show_default=True)
@click.option("--lean", type=click.Choice(["chance", "embedded"]), default="chance", show_default=True)
@click.option("--theorems", "count", default=100, show_default=True)
@click.option("--seed", default=0, show_default=True, help="When it is killed.")
@click.option("--output", type=click.Path(path_type=Path), help="Where the runs go.  [default: a temporary folder]")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(*, kills: int, lean: str, count: int, seed: int, output: Path | None, json_file: Path | None) -> None:
    """Search under fire, then compare."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    folder = output or Path(tempfile.mkdtemp(prefix="kill-main-"))
    folder.mkdir(parents=True, exist_ok=True)
    job = {"chance": chance_job, "embedded": embedded_job}[lean](count, folder)
    rng = random.Random(seed)  # noqa: S311 - when it is hit is no secret
    began = time.monotonic()
    report = report_on(*run_under_fire(job, folder, kills, rng))
    report |= {"lean": lean, "seed": seed, "wall_s": round(time.monotonic() - began), "folder": str(folder)}
    report |= {"machine": f"{platform.machine()}, {os.cpu_count()} cores"}
    click.echo("\n".join(f"{name:>32}  {value}" for name, value in report.items()))
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n")
    sys.exit(1 if report["faults"] else 0)


if __name__ == "__main__":
    main()
