"""A Ray cluster that is broken again and again: does a run find what an undisturbed one finds, and is nothing left?

.. code-block:: text

    python benchmarks/ray_faults.py [--kills 50] [--lean chance|embedded] [--theorems 100] [--seed 0] [--json FILE]

Two nodes of Ray's own cluster utility, one worker each, one policy server behind HTTP, and ``leanebm search --engine
ray`` into one folder. At random moments something is killed (SIGKILL), each kind in turn:

- ``actor``: the process on a node that owns Lean workers, certifier and recorder,
- ``raylet``: Ray's daemon on a node,
- ``node``: that daemon and everything that Ray started there, all at once; only what our actor started is left,
- ``driver``: the command itself, which is then typed again,
- ``policy``: the policy server, which comes back a second later.

A lost node is replaced. It is required that every process that the victim had started is gone soon (Ray does not end
what its actors started), that a completed run ends as the undisturbed one did, theorem by theorem, that each theorem
counts once and has its proof's file, and at the end that no process is left at all.

With ``chance`` Lean's workers are real processes behind the real pool, and answer by a hash (``_chance_worker.py``).
Exit status 0 only if nothing of this was ever broken. Workers that share a folder without Ray: ``cluster_faults.py``.
"""

from __future__ import annotations

import os
import platform
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import click
import psutil
from _ray_cluster import RayCluster, ray_cluster
from _under_fire import Findings, adopt_orphans, compare, end_of_descendants, end_with
from kill_main import Search, chance_job, embedded_job

from leanebm.core import SearchOutcome
from leanebm.pipeline import RunFolder, RunSummary, merge, summarise_run
from leanebm.trajectory import read_trajectory

KINDS = ("actor", "raylet", "node", "driver", "policy")
NODES = 2
SURVIVAL_LIMIT_S = 60.0
PATIENCE_S = 900.0
"""A command that has not ended by then hangs."""

BROKEN = 3
"""Exit status of a command that something else broke, here the policy server; it is typed again."""


class PolicyProcess:
    """``leanebm serve`` as a process, always at the same address."""

    def __init__(self, log: Path) -> None:
        self._log = log
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = str(probe.getsockname()[1])
        self.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Serve."""
        argv = [sys.executable, "-m", "leanebm", "serve", "--backend", "template", "--port", self._port]
        with self._log.open("ab") as lines:
            self._process = subprocess.Popen(argv, stdout=lines, stderr=lines)

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait()


@attrs.define
class Battlefield:
    """What can be broken, and what came of it."""

    job: Search
    cluster: RayCluster
    policy: PolicyProcess
    rng: random.Random
    log: Path
    findings: Findings = attrs.field(factory=Findings)
    kills: Counter[str] = attrs.field(factory=Counter)
    survivals_s: dict[str, list[float]] = attrs.field(factory=lambda: defaultdict(list))
    """By kind of kill: for how long the last process that the victim had started lived on."""

    commands: int = 0
    searched_again: int = 0
    """Searches that were written down beside the one that counts."""

    def run(self, output: Path, kills: int, pause_s: float) -> RunSummary | None:
        """Type the command until everything has ended for good; meanwhile break things. ``None`` if that fails."""
        kinds = self._shuffled()
        while True:
            run = self._start(output)
            began = time.monotonic()
            while run.poll() is None and time.monotonic() - began < PATIENCE_S:
                with suppress(subprocess.TimeoutExpired):
                    run.wait(self.rng.uniform(0.0, pause_s))
                if run.poll() is None and self.findings.kills < kills and self.cluster.actors():
                    self._strike(next(kinds), run)
            if run.poll() is None:
                self.findings.faults.append(f"{output.name} hangs")
                run.kill()
                return None
            if run.returncode not in (0, -signal.SIGKILL, BROKEN):
                self.findings.faults.append(f"{output.name} ended with status {run.returncode}: see {self.log}")
                return None
            if run.returncode == 0 and not (summary := summarise_run(output)).ended(SearchOutcome.INFRASTRUCTURE):
                return summary

    def judge(self, output: Path, summary: RunSummary, expected: dict[str, str]) -> None:
        """Merge what the nodes wrote, and hold it against the undisturbed run."""
        merge([output])
        compare(self.job, output, expected, self.findings)
        records = [record for shard in read_trajectory(output).shards for record in shard.records]
        self.searched_again += len(records) - len(summary.records)
        self.findings.faults += [
            f"{output.name} proved {record.theorem.name} and has no file of it"
            for record in summary.ended(SearchOutcome.PROVED)
            if not RunFolder(output).proof_of(record.theorem.name).exists()
        ]

    def _start(self, output: Path) -> subprocess.Popen[bytes]:
        command = [word for word in self.job.command(output) if word != "--resume"]
        command += ["--server-url", self.policy.url, "--engine", "ray", "--ray-address", self.cluster.address]
        self.commands += 1
        with self.log.open("ab") as lines:
            return subprocess.Popen(command, stdout=lines, stderr=lines)

    def _shuffled(self) -> Iterator[str]:
        """The kinds, each as often as the others, in random order."""
        while True:
            yield from self.rng.sample(KINDS, len(KINDS))

    def _strike(self, kind: str, run: subprocess.Popen[bytes]) -> None:
        """Break one thing, see what it leaves, and repair it."""
        doomed = self._kill(kind, run)
        self.findings.kills += 1
        self.kills[kind] += 1
        try:
            self.survivals_s[kind].append(survival_s(doomed))
        except TimeoutError as error:
            self.findings.faults.append(f"after a kill of the {kind}: {error}")
        if kind in ("raylet", "node"):
            self.cluster.add()
        if kind == "policy":
            time.sleep(1.0)
            self.policy.start()

    def _kill(self, kind: str, run: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """Everything that must be gone soon after it."""
        actors = self.cluster.actors()
        if kind == "policy" or not actors:
            self.policy.kill()
            return []
        if kind == "driver":
            doomed = [process for actor in actors for process in family(actor)]
            run.kill()
            return doomed
        actor = self.rng.choice(sorted(actors))
        doomed = family(actors[actor] if kind != "actor" else actor)
        for victim in [doomed[0], *(doomed[0].children() if kind == "node" else [])]:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        return doomed


def family(pid: int) -> list[psutil.Process]:
    """A process and everything below it."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def survival_s(doomed: Sequence[psutil.Process]) -> float:
    """Wait until they are gone; the seconds that took.

    Raises:
        TimeoutError: some live on.
    """
    began = time.monotonic()
    while left := [process for process in doomed if is_alive(process)]:
        if time.monotonic() - began > SURVIVAL_LIMIT_S:
            raise TimeoutError(f"still running after {SURVIVAL_LIMIT_S:g} s: {[process.cmdline() for process in left]}")
        time.sleep(0.01)
    return time.monotonic() - began


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; one that waits to be reaped does not."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@contextmanager
def battlefield(job: Search, folder: Path, rng: random.Random) -> Iterator[Battlefield]:
    """Everything, up and running."""
    policy = PolicyProcess(folder / "policy.log")
    try:
        with ray_cluster(NODES) as cluster:
            yield Battlefield(job, cluster, policy, rng, folder / "log")
    finally:
        policy.kill()


def fight(field: Battlefield, folder: Path, kills: int) -> dict[str, Any]:
    """Run undisturbed, then under fire until the kills are used up."""
    began = time.monotonic()
    if field.run(folder / "undisturbed", 0, 1.0) is None:
        raise SystemExit(f"the undisturbed run failed: see {field.log}")
    usual_s = time.monotonic() - began
    expected = field.job.results(folder / "undisturbed")
    while field.findings.kills < kills and not field.findings.faults:
        output = folder / f"run-{field.findings.completed_runs}"
        if (summary := field.run(output, kills, usual_s / 3)) is not None:
            field.judge(output, summary, expected)
    return {
        "outcomes undisturbed": dict(Counter(map(str, expected.values()))),
        "seconds undisturbed": round(usual_s, 1),
    }


@click.command()
@click.option("--kills", default=50, show_default=True)
@click.option("--lean", type=click.Choice(["chance", "embedded"]), default="chance", show_default=True)
@click.option("--theorems", "count", default=100, show_default=True)
@click.option("--seed", default=0, show_default=True, help="What is broken, and when.")
@click.option("--output", type=click.Path(path_type=Path), help="Where the runs go.  [default: a temporary folder]")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(*, kills: int, lean: str, count: int, seed: int, output: Path | None, json_file: Path | None) -> None:
    """Search under fire, then compare."""
    adopt_orphans()
    folder = output or Path(tempfile.mkdtemp(prefix="ray-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    job = {"chance": chance_job, "embedded": embedded_job}[lean](count, folder)
    job = attrs.evolve(job, arguments=(*job.arguments, "--num-workers", "1"))
    began = time.monotonic()
    with battlefield(job, folder, random.Random(seed)) as field:  # noqa: S311 - what is hit is no secret
        report = {"theorems": count, **fight(field, folder, kills)}
    findings = field.findings
    try:
        end_of_descendants()
    except TimeoutError as error:
        findings.faults.append(f"after everything was stopped: {error}")
    report |= {
        "kills": dict(field.kills),
        "commands typed": field.commands,
        "runs completed": findings.completed_runs,
        "of these equal": findings.equal_runs,
        "theorems searched again": field.searched_again,
        "longest survival, s": {kind: round(max(times), 2) for kind, times in field.survivals_s.items()},
        "faults": findings.faults,
        "lean": lean,
        "seed": seed,
        "wall_s": round(time.monotonic() - began),
        "folder": str(folder),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}",
    }
    end_with(report, json_file, is_clean=not findings.faults)


if __name__ == "__main__":
    main()
