"""A run that is killed again and again: does resuming find what an undisturbed run finds, and is nothing left running?

.. code-block:: text

    python benchmarks/kill_main.py [--kills 100] [--lean chance|embedded] [--theorems 100] [--seed 0] [--json FILE]

Runs ``leanebm search`` as a process of its own, once undisturbed. Then it does so with kills (SIGKILL, at random
moments; every second one as soon as a file appears, where a half-written one would show), each time going on with
``--resume``; a run that completes is compared with the undisturbed one, and a new one is begun. After each kill it is
required, from the files alone and from the process table, that

- every shard can be read, to the last row,
- no theorem is recorded as finished twice, none that was recorded is lost, and each proof is there as a file,
- no process that the run started lives on.

With ``chance`` the workers are real processes behind the real pool, and answer by a hash instead of by Lean
(``_chance_worker.py``), so that a run takes seconds. Exit status 0 only if nothing of this was ever broken.
"""

from __future__ import annotations

import json
import os
import platform
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import attrs
import click
from _under_fire import Findings, Job, adopt_orphans, end_with, inspect_shards, run_under_fire

from leanebm.core import Theorem
from leanebm.data import Split, bundled_theorems, library_theorems, write_theorems
from leanebm.pipeline import summarise_run
from leanebm.trajectory import read_trajectory

CHANCE_WORKER = Path(__file__).with_name("_chance_worker.py")


@attrs.frozen
class Search(Job):
    """``leanebm search``."""

    arguments: tuple[str, ...]

    def command(self, output: Path) -> Sequence[str]:
        """With ``--resume``, which it may be told from the beginning."""
        return [sys.executable, "-m", "leanebm", "search", *self.arguments, "--resume", "--output", str(output)]

    def inspect(self, output: Path, known: dict[str, str], findings: Findings) -> None:
        """Every shard, and the file of every proof."""
        inspect_shards(read_trajectory, output / "trajectory", known, findings)
        findings.faults += [
            f"without proof file after kill {findings.kills}: {name}"
            for name, outcome in known.items()
            if outcome == "proved" and not (output / "proofs" / f"{name}.lean").exists()
        ]

    def results(self, output: Path) -> dict[str, str]:
        """How each theorem ended."""
        return {record.theorem.name: record.outcome for record in summarise_run(output).records}


def chance_job(count: int, folder: Path) -> Search:
    """Statements for the worker that decides by a hash."""
    theorems = tuple(Theorem(name=f"p{number}", statement=f"P {number}") for number in range(1, count + 1))
    argv = [sys.executable, "-I", "-S", str(CHANCE_WORKER)]
    settings = (
        f'[lean]\nimports = []\nmax_requests = 200\n[lean.backend]\nkind = "command"\nargv = {json.dumps(argv)}\n'
    )
    (folder / "settings.toml").write_text(settings)
    return _job(theorems, folder, "--config", str(folder / "settings.toml"), "--budget", "12")


def embedded_job(count: int, folder: Path) -> Search:
    """The bundled theorems, then the library's test split in its order, for real Lean."""
    library = tuple(entry.theorem for entry in library_theorems(Split.TEST))
    theorems = (bundled_theorems() + library)[:count]
    return _job(theorems, folder, "--lean", "embedded", "--imports", "Init,Std", "--budget", "15")


def _job(theorems: Sequence[Theorem], folder: Path, *arguments: str) -> Search:
    write_theorems(folder / "theorems.jsonl", theorems)
    return Search(("--theorems", str(folder / "theorems.jsonl"), *arguments))


@click.command()
@click.option("--kills", default=100, show_default=True)
@click.option("--lean", type=click.Choice(["chance", "embedded"]), default="chance", show_default=True)
@click.option("--theorems", "count", default=100, show_default=True)
@click.option("--seed", default=0, show_default=True, help="When it is killed.")
@click.option("--output", type=click.Path(path_type=Path), help="Where the runs go.  [default: a temporary folder]")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(*, kills: int, lean: str, count: int, seed: int, output: Path | None, json_file: Path | None) -> None:
    """Search under fire, then compare."""
    adopt_orphans()
    folder = output or Path(tempfile.mkdtemp(prefix="kill-main-"))
    folder.mkdir(parents=True, exist_ok=True)
    job = {"chance": chance_job, "embedded": embedded_job}[lean](count, folder)
    rng = random.Random(seed)  # noqa: S311 - when it is hit is no secret
    began = time.monotonic()
    expected, usual_s, findings = run_under_fire(job, folder, kills, rng)
    report = {"theorems": len(expected), "outcomes undisturbed": dict(Counter(expected.values()))}
    report |= findings.report(usual_s)
    report |= {"lean": lean, "seed": seed, "wall_s": round(time.monotonic() - began), "folder": str(folder)}
    report |= {"machine": f"{platform.machine()}, {os.cpu_count()} cores"}
    end_with(report, json_file, is_clean=not report["faults"])


if __name__ == "__main__":
    main()
