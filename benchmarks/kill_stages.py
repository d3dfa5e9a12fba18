"""What follows a search, killed again and again: ``export``, ``generate-negatives`` and ``train-ebm``.

.. code-block:: text

    python benchmarks/kill_stages.py [--kills 30] [--theorems 40] [--seed 0] [--stage NAME] [--json FILE]

Two searches make the input: one to learn from, one of other theorems to judge by. Then each command is run undisturbed,
and under fire (``_under_fire.py``), the same command going on with what is there. After each kill it is required
that

- every Parquet file, checkpoint, table and text that is there can be read whole,
- no theorem's groups are recorded twice, and none that were recorded are lost,

and of completed runs that they end as the undisturbed one did: the same pairs, groups, audit and report, the same head
to the last bit. The workers are those of ``_chance_worker.py``. Exit status 0 only if nothing of this was ever broken.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import click
from _under_fire import Findings, Job, adopt_orphans, inspect_shards, run_under_fire
from kill_main import CHANCE_WORKER

from leanebm.core import Theorem
from leanebm.data import read_contrastive_set, read_tactic_pairs, write_theorems
from leanebm.energy import load_checkpoint
from leanebm.storage import read_parquet

TRAIN = Path(__file__).with_name("_train_briefly.py")
LEANEBM = (sys.executable, "-m", "leanebm")
ALWAYS_DIFFERS = ("wall_s", "policy_s", "lean_s", "certify_s", "tactic_calls")
"""In a report: how long it took, and how often a lost worker's tactics were run again."""


@attrs.frozen
class Inputs:
    """What the stages start from."""

    settings: Path
    searched: Path
    held_out: Path
    pairs: Path
    negatives: Path


def prepare(folder: Path, count: int) -> Inputs:
    """Make the input of each stage with the stage before it."""
    inputs = Inputs(*(folder / name for name in ("settings.toml", "searched", "held_out", "pairs.jsonl", "negatives")))
    argv = json.dumps([sys.executable, "-I", "-S", str(CHANCE_WORKER)])
    inputs.settings.write_text(f'[lean]\nimports = []\n[lean.backend]\nkind = "command"\nargv = {argv}\n')
    halves = {inputs.searched: range(1, count + 1), inputs.held_out: range(count + 1, 2 * count + 1)}
    for output, numbers in halves.items():
        theorems = output.with_suffix(".jsonl")
        write_theorems(theorems, [Theorem(name=f"p{number}", statement=f"P {number}") for number in numbers])
        chosen = ("--theorems", str(theorems), "--budget", "12", "--config", str(inputs.settings))
        _finish(*LEANEBM, "search", *chosen, "--output", str(output))
    _finish(*ExportPairs(inputs).command(folder))
    _finish(*GenerateNegatives(inputs).command(inputs.negatives))
    return inputs


def _finish(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command} failed with status {done.returncode}:\n{done.stdout}{done.stderr}")


def digest(*parts: bytes) -> str:
    """A short name of what is equal only if every part is."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def digest_of(value: Any) -> str:
    """The same of plain values."""
    return digest(json.dumps(value, sort_keys=True, default=str).encode())


# --- the stages ---------------------------------------------------------------------------------


@attrs.frozen
class ExportPairs(Job):
    """``leanebm export``: one file."""

    inputs: Inputs

    def command(self, output: Path) -> Sequence[str]:
        """It begins anew each time."""
        given = (str(self.inputs.searched),)
        return [*LEANEBM, "export", *given, "--output", str(output / "pairs.jsonl"), "--overwrite"]

    def inspect(self, output: Path, known: dict[str, str], findings: Findings) -> None:
        """The file is there and whole, or not there."""
        del known
        if (output / "pairs.jsonl").exists():
            read_tactic_pairs(output / "pairs.jsonl")
            findings.files_read += 1

    def results(self, output: Path) -> dict[str, str]:
        """The file, byte by byte."""
        return {"pairs": digest((output / "pairs.jsonl").read_bytes())}


@attrs.frozen
class GenerateNegatives(Job):
    """``leanebm generate-negatives``, with an audit."""

    inputs: Inputs

    def command(self, output: Path) -> Sequence[str]:
        """With ``--resume``, which it may be told from the beginning."""
        given = ("--tactic-pairs", str(self.inputs.pairs), "--config", str(self.inputs.settings))
        return [*LEANEBM, "generate-negatives", *given, "--audit", "3", "--resume", "--output", str(output)]

    def inspect(self, output: Path, known: dict[str, str], findings: Findings) -> None:
        """Every shard, and the report."""
        inspect_shards(read_contrastive_set, output / "groups", known, findings)
        if (output / "report.json").exists():
            json.loads((output / "report.json").read_bytes())
            findings.files_read += 1

    def results(self, output: Path) -> dict[str, str]:
        """Each theorem's ending and groups, and the report without its times."""
        groups = read_contrastive_set(output / "groups")
        found: dict[str, list[str]] = defaultdict(list)
        for group in groups.rows():
            found[group.theorem].append(digest_of(attrs.asdict(group)))
        report = json.loads((output / "report.json").read_bytes())
        del report["audit"]["ended_unix_s"]
        lasting = {name: value for name, value in report.items() if name not in ALWAYS_DIFFERS}
        endings = {
            record.theorem.name: digest_of([record.outcome, dict(record.fates), sorted(found[record.theorem.name])])
            for record in groups.records
        }
        return {**endings, "report": digest_of(lasting)}


@attrs.frozen
class TrainEbm(Job):
    """``leanebm train-ebm``, small."""

    inputs: Inputs

    def command(self, output: Path) -> Sequence[str]:
        """It goes on by itself."""
        given = (self.inputs.searched, self.inputs.negatives, self.inputs.held_out)
        return [sys.executable, str(TRAIN), str(output), *map(str, given)]

    def inspect(self, output: Path, known: dict[str, str], findings: Findings) -> None:
        """Every checkpoint, table and text."""
        del known
        for header in output.rglob("head.json"):
            load_checkpoint(header.parent)
        for table in output.rglob("*.parquet"):
            with table.open("rb") as file:
                read_parquet(file)
        for text in output.rglob("*.json"):
            json.loads(text.read_bytes())
        findings.files_read += sum(1 for path in output.rglob("*") if path.is_file())

    def results(self, output: Path) -> dict[str, str]:
        """Heads, tables and verdict, byte by byte; a checkpoint's header holds the hash of its weights."""
        names = ("head.json", "last/head.json", "twin/head.json", "metrics.csv", "validation.parquet", "diagnosis.json")
        return {name: digest((output / name).read_bytes()) for name in names}


STAGES: dict[str, Callable[[Inputs], Job]] = {
    "export": ExportPairs,
    "generate-negatives": GenerateNegatives,
    "train-ebm": TrainEbm,
}


@click.command()
@click.option("--kills", default=30, show_default=True, help="Of each stage.")
@click.option("--theorems", "count", default=40, show_default=True, help="To learn from, and again to judge by.")
@click.option("--seed", default=0, show_default=True, help="When it is killed.")
@click.option("--stage", "stages", type=click.Choice(list(STAGES)), multiple=True, help="Only this one; repeatable.")
@click.option("--output", type=click.Path(path_type=Path), help="Where the runs go.  [default: a temporary folder]")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(
    *, kills: int, count: int, seed: int, stages: tuple[str, ...], output: Path | None, json_file: Path | None
) -> None:
    """Run each stage under fire, then compare."""
    adopt_orphans()
    folder = output or Path(tempfile.mkdtemp(prefix="kill-stages-"))
    folder.mkdir(parents=True, exist_ok=True)
    inputs = prepare(folder, count)
    report: dict[str, Any] = {}
    for name in stages or STAGES:
        (folder / name).mkdir()
        began = time.monotonic()
        rng = random.Random(seed)  # noqa: S311 - when it is hit is no secret
        _, usual_s, findings = run_under_fire(STAGES[name](inputs), folder / name, kills, rng)
        report[name] = findings.report(usual_s) | {"wall_s": round(time.monotonic() - began)}
        click.echo("\n".join([name, *(f"{what:>32}  {value}" for what, value in report[name].items())]))
    click.echo(f"{folder}; {platform.machine()}, {os.cpu_count()} cores")
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n")
    sys.exit(1 if any(stage["faults"] for stage in report.values()) else 0)


if __name__ == "__main__":
    main()
