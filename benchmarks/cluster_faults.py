"""Workers that share a folder are killed again and again: do they find what one undisturbed process finds?

.. code-block:: text

    python benchmarks/cluster_faults.py [--kills 50] [--workers 3] [--lean chance|embedded] [--json FILE]

Runs ``leanebm search`` once in one process. Then it starts several workers, each a process group of its own, on one
folder (``--engine shards``), kills one of them at a random moment (SIGKILL to its group) and starts another in its
place, until the kills are used up; whenever all theorems are done before that, a new folder is begun. It is required
that

- each folder, merged, ends as the undisturbed run did, theorem by theorem,
- every theorem counts once, with its proof's file, and no half-written file is left,
- no process that a killed worker started lives on,
- no theorem is given up, and no worker fails.

How often a theorem was searched again, because its worker died before its result was on the disk, is counted, not
forbidden. With ``chance`` Lean's workers are real processes behind the real pool, and answer by a hash
(``_chance_worker.py``). Exit status 0 only if nothing of this was ever broken.
"""

from __future__ import annotations

import os
import platform
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import attrs
import click
import psutil
from _under_fire import SURVIVAL_LIMIT_S, Findings, Job, adopt_orphans, compare, end_of_descendants, end_with, start
from kill_main import Search, chance_job, embedded_job

from leanebm.pipeline import RunFolder, merge
from leanebm.trajectory import read_trajectory

ENGINES = {"shards": ("--engine", "shards", "--lease-s", "6")}


@attrs.define
class Cluster:
    """Workers on one folder, some of whom die."""

    job: Search
    engine: str
    size: int
    findings: Findings
    rng: random.Random
    log: Path
    running: list[subprocess.Popen[bytes]] = attrs.field(factory=list)
    searched_again: int = 0
    """Searches that were written down beside the one that counts."""

    def run(self, output: Path, kills: int, usual_s: float) -> None:
        """Search into ``output`` and kill, until all theorems are done."""
        self.running = [self._start(output) for _ in range(self.size)]
        while self.running:
            pause_s = self.rng.uniform(0.0, 2 * usual_s / self.size)
            ends_at_s = time.monotonic() + pause_s
            while time.monotonic() < ends_at_s and all(worker.poll() is None for worker in self.running):
                time.sleep(0.01)
            self._collect()
            if self.running and self.findings.kills < kills:
                self._strike(output)
        self._look_for_orphans(output)

    def judge(self, output: Path, expected: dict[str, str]) -> None:
        """Merge what the workers wrote, and hold it against the undisturbed run."""
        merge([output])
        found = read_trajectory(output)
        self.findings.files_read += len(found.shards)
        found.table()
        self.searched_again += sum(len(shard.records) for shard in found.shards) - len(found.records)
        for record in found.records:
            proof = RunFolder(output).proof_of(record.theorem.name)
            if record.certificate is not None and proof.read_text() != record.certificate.source:
                self.findings.faults.append(f"{proof} is not the proof that counts")
        compare(self.job, output, expected, self.findings)

    def _look_for_orphans(self, output: Path) -> None:
        try:
            end_of_descendants()
        except TimeoutError as error:
            self.findings.faults.append(f"after {output.name}: {error}")

    def _strike(self, output: Path) -> None:
        """Kill a worker, and start another in its place."""
        self._kill(self.running.pop(self.rng.randrange(len(self.running))))
        self.running.append(self._start(output))

    def _start(self, output: Path) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as lines:
            return subprocess.Popen(self._command(output), stdout=lines, stderr=lines, start_new_session=True)

    def _command(self, output: Path) -> Sequence[str]:
        return [*(word for word in self.job.command(output) if word != "--resume"), *ENGINES[self.engine]]

    def _kill(self, victim: subprocess.Popen[bytes]) -> None:
        try:
            children = psutil.Process(victim.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            children = []
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait()
        self.findings.kills += 1
        began = time.monotonic()
        while left := [child for child in children if _lives(child)]:
            if time.monotonic() - began > SURVIVAL_LIMIT_S:
                self.findings.faults.append(f"after kill {self.findings.kills}: {len(left)} orphans")
                return
            time.sleep(0.005)
        self.findings.survivals_s.append(time.monotonic() - began)

    def _collect(self) -> None:
        for worker in [worker for worker in self.running if worker.poll() is not None]:
            self.running.remove(worker)
            if worker.returncode != 0:
                self.findings.faults.append(f"a worker ended with status {worker.returncode}: see {self.log}")


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE  # we adopted it, and reap it later
    except psutil.NoSuchProcess:
        return False


def undisturbed(job: Job, folder: Path, log: Path) -> tuple[dict[str, str], float]:
    """How each theorem ends in one process, and how many seconds that takes."""
    began = time.monotonic()
    if (status := start(job, folder / "undisturbed", log).wait()) != 0:
        raise SystemExit(f"the undisturbed run failed with status {status}: see {log}")
    return job.results(folder / "undisturbed"), time.monotonic() - began


@click.command()
@click.option("--engine", type=click.Choice(list(ENGINES)), default="shards", show_default=True)
@click.option("--kills", default=50, show_default=True)
@click.option("--workers", default=3, show_default=True)
@click.option("--lean", type=click.Choice(["chance", "embedded"]), default="chance", show_default=True)
@click.option("--theorems", "count", default=100, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Who is killed, and when.")
@click.option("--output", type=click.Path(path_type=Path), help="Where the runs go.  [default: a temporary folder]")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(
    *,
    engine: str,
    kills: int,
    workers: int,
    lean: str,
    count: int,
    seed: int,
    output: Path | None,
    json_file: Path | None,
) -> None:
    """Search with workers under fire, then compare."""
    adopt_orphans()
    folder = output or Path(tempfile.mkdtemp(prefix="cluster-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    job = {"chance": chance_job, "embedded": embedded_job}[lean](count, folder)
    job = attrs.evolve(job, arguments=(*job.arguments, "--num-workers", "1"))
    began = time.monotonic()
    expected, usual_s = undisturbed(job, folder, folder / "log")
    findings = Findings()
    rng = random.Random(seed)  # noqa: S311 - who is hit is no secret
    cluster = Cluster(job, engine, workers, findings, rng, folder / "log")
    while findings.kills < kills and not findings.faults:
        place = folder / f"run-{findings.completed_runs}"
        cluster.run(place, kills, usual_s)
        cluster.judge(place, expected)
    report = {"engine": engine, "workers": workers, "theorems": len(expected)}
    report |= {"outcomes undisturbed": dict(Counter(map(str, expected.values())))}
    told = findings.report(usual_s)
    unsaid = ("of these as a file appeared", "records kept at a kill, median")
    report |= {name: value for name, value in told.items() if name not in unsaid}
    report |= {"theorems searched again": cluster.searched_again}
    report |= {"lean": lean, "seed": seed, "wall_s": round(time.monotonic() - began), "folder": str(folder)}
    report |= {"machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}"}
    end_with(report, json_file, is_clean=not findings.faults)


if __name__ == "__main__":
    main()
