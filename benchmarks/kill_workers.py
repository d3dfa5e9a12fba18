"""A search whose workers are killed: does it end, is anything lost, is anything left running?

.. code-block:: text

    python benchmarks/kill_workers.py [--theorems 200] [--interval 20] [--seed 0] [--output FOLDER] [--json FILE]

Runs ``leanebm search`` on the bundled theorems and the library's test split, as a process of its own, and
kills one of its Lean processes (SIGKILL, chosen at random) every so many seconds. Afterwards it counts, from
the files alone: theorems without a record, theorems with two, certified proofs without their ``.lean`` file,
and processes that outlived the run. Exit status 0 only if all four are zero.
"""

from __future__ import annotations

import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import attrs
import click
import psutil
from _under_fire import end_with

from leanebm.core import Theorem
from leanebm.data import Split, bundled_theorems, library_theorems, write_theorems
from leanebm.lean.embedded import install
from leanebm.trajectory import read_trajectory

LAUNCHER = "launch.js"


@attrs.frozen
class PromotionVerdict:
    """What the run left behind."""

    theorems: int
    kills: int
    wall_s: float
    exit_status: int
    outcomes: dict[str, int]
    without_record: int
    recorded_twice: int
    proofs_without_file: int
    survivors: int

    @property
    def is_clean(self) -> bool:
        """Whether the run ended by itself, lost nothing and left nothing running."""
        faults = self.without_record + self.recorded_twice + self.proofs_without_file + self.survivors
        return self.exit_status == 0 and faults == 0


def chosen_theorems(count: int) -> tuple[Theorem, ...]:
    """The bundled theorems, then the library's test split in its order."""
    library = tuple(entry.theorem for entry in library_theorems(Split.TEST))
    return (bundled_theorems() + library)[:count]


def workers_of(run: psutil.Process) -> list[psutil.Process]:
    """The Lean processes below ``run``, guards left out."""
    found = []
    for process in run.children(recursive=True):
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if any(word.endswith(LAUNCHER) for word in command) and "node" in Path(command[0]).name:
            found.append(process)
    return found


def run_under_fire(command: list[str], interval_s: float, rng: random.Random) -> tuple[int, int, list[psutil.Process]]:
    """Run ``command``, killing a worker every ``interval_s``; exit status, kills, and every process it ever had."""
    run = subprocess.Popen(command)
    process = psutil.Process(run.pid)
    family: dict[int, psutil.Process] = {}
    kills = 0
    next_kill_s = time.monotonic() + interval_s
    while run.poll() is None:
        family.update({child.pid: child for child in process.children(recursive=True)})
        if time.monotonic() >= next_kill_s and (workers := workers_of(process)):
            rng.choice(workers).kill()
            kills += 1
            next_kill_s = time.monotonic() + interval_s
        try:
            run.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            continue
    return run.returncode, kills, list(family.values())


def judge(theorems: tuple[Theorem, ...], output: Path) -> dict[str, object]:
    """Count what is missing or double, from the files alone."""
    records = read_trajectory(output / "trajectory").records
    recorded = Counter(record.theorem.name for record in records)
    files = {path.stem for path in (output / "proofs").glob("*.lean")}
    proved = [record for record in records if record.outcome == "proved"]
    return {
        "outcomes": dict(Counter(record.outcome for record in records)),
        "without_record": sum(theorem.name not in recorded for theorem in theorems),
        "recorded_twice": sum(times > 1 for times in recorded.values()),
        "proofs_without_file": max(0, len(proved) - len(files)),
    }


@click.command()
@click.option("--theorems", "count", default=200, show_default=True)
@click.option("--interval", "interval_s", default=20.0, show_default=True, help="Seconds between two kills.")
@click.option("--budget", default=30, show_default=True, help="Expansions a theorem may cost.")
@click.option("--seed", default=0, show_default=True, help="Which worker is killed.")
@click.option("--output", type=click.Path(path_type=Path), help="Where the run goes.  [default: a temporary folder]")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(*, count: int, interval_s: float, budget: int, seed: int, output: Path | None, json_file: Path | None) -> None:
    """Search under fire, then count."""
    install()
    folder = output or Path(tempfile.mkdtemp(prefix="kill-workers-"))
    folder.mkdir(parents=True, exist_ok=True)
    theorems = chosen_theorems(count)
    write_theorems(folder / "theorems.jsonl", theorems)
    run = folder / "run"
    command = [sys.executable, "-m", "leanebm", "search", "--theorems", str(folder / "theorems.jsonl")]
    command += ["--output", str(run), "--lean", "embedded", "--imports", "Init,Std", "--budget", str(budget)]
    started = time.monotonic()
    status, kills, family = run_under_fire(command, interval_s, random.Random(seed))  # noqa: S311 - which worker is hit is no secret
    wall_s = time.monotonic() - started
    _, alive = psutil.wait_procs(family, timeout=5)
    counts = judge(theorems, run)
    verdict = PromotionVerdict(len(theorems), kills, wall_s, status, survivors=len(alive), **counts)  # type: ignore[arg-type]
    report = {**attrs.asdict(verdict), "seed": seed, "machine": f"{platform.machine()}, {os.cpu_count()} cores"}
    end_with(report, json_file, is_clean=verdict.is_clean)


if __name__ == "__main__":
    main()
