"""``leanebm iterate``, killed again and again.

.. code-block:: text

    python benchmarks/kill_iterate.py [--kills 10] [--theorems 24] [--rounds 2] [--seed 0] [--json FILE]

An iteration is run undisturbed, and under fire (``_under_fire.py``), the same command going on with what is there.
After each kill every manifest, stage record and shard that is there must be readable whole. Completed runs must end as
the undisturbed one did: the same manifest, but for what each stage cost. The workers are those of
``_chance_worker.py``; the encoder, the heads and the searches are real. Exit status 0 only if nothing of this was ever
broken.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import attrs
import click
from _under_fire import Findings, Job, adopt_orphans, run_under_fire
from kill_main import CHANCE_WORKER

from leanebm.core import Theorem
from leanebm.data import write_theorems
from leanebm.pipeline import IterationManifest, StageRecord, read_search_groups

SETTINGS = """
rounds = {rounds}
alphas = [0.5, 1.0]
betas = [0.5, 1.0]
[theorems]
train = {train}
validation = {validation}
test = {test}
[run.search]
candidates_per_state = 8
[run.search.budget]
max_expansions = 12
[run.lean]
imports = []
[run.lean.backend]
kind = "command"
argv = {argv}
[head]
hidden = [32]
[head.trainer]
max_steps = 8
eval_every = 2
log_every = 1
[negatives]
candidates_per_step = 8
probe_expansions = 4
probe_candidates = 8
"""


@attrs.frozen
class Iterate(Job):
    """``leanebm iterate``, small."""

    settings: Path

    def command(self, output: Path) -> Sequence[str]:
        """With ``--resume``, which it may be told from the beginning."""
        return [sys.executable, "-m", "leanebm", "iterate", str(self.settings), "--resume", "--output", str(output)]

    def inspect(self, output: Path, known: dict[str, str], findings: Findings) -> None:
        """Every stage that was done stays done, and says the same; what it points to can be read."""
        IterationManifest.read(output)
        found = {}
        for path in output.rglob("stage.json"):
            record = StageRecord.read(path.parent)
            if record is not None:
                found[record.stage] = record.output
        for search in output.rglob("trajectory"):
            if any(search.glob("*.parquet")):
                read_search_groups(search)
                findings.files_read += 1
        lost = [stage for stage, known_output in known.items() if found.get(stage) != known_output]
        findings.faults += [f"lost or changed after kill {findings.kills}: {stage}" for stage in lost]
        findings.files_read += len(found)
        findings.records_at_kills.append(len(found))
        known |= found

    def results(self, output: Path) -> dict[str, str]:
        """Each stage without its cost, and the rest of the manifest."""
        manifest = json.loads((output / "manifest.json").read_bytes())
        stages = manifest.pop("stages")
        for stage in stages:
            del stage["cost"]
        whole = {stage["stage"]: stage for stage in stages} | {"manifest": manifest}
        return {name: hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16] for name, value in whole.items()}


def prepare(folder: Path, count: int, rounds: int) -> Path:
    """Write the settings, and three sets of theorems."""
    sets = {
        "train": range(1, count + 1),
        "validation": range(count + 1, 2 * count),
        "test": range(2 * count, 3 * count),
    }
    paths = {name: folder / f"{name}.jsonl" for name in sets}
    for name, numbers in sets.items():
        write_theorems(paths[name], [Theorem(name=f"p{number}", statement=f"P {number}") for number in numbers])
    quoted = {name: json.dumps(str(path)) for name, path in paths.items()}
    argv = json.dumps([sys.executable, "-I", "-S", str(CHANCE_WORKER)])
    settings = folder / "iterate.toml"
    settings.write_text(SETTINGS.format(rounds=rounds, argv=argv, **quoted))
    return settings


@click.command()
@click.option("--kills", default=10, show_default=True)
@click.option("--theorems", "count", default=24, show_default=True, help="In each of the three sets.")
@click.option("--rounds", default=2, show_default=True)
@click.option("--seed", default=0, show_default=True, help="When it is killed.")
@click.option("--output", type=click.Path(path_type=Path), help="Where the runs go.  [default: a temporary folder]")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(kills: int, count: int, rounds: int, seed: int, output: Path | None, json_file: Path | None) -> None:
    """Kill it, and say what was found."""
    adopt_orphans()
    with tempfile.TemporaryDirectory() as temporary:
        folder = output or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        job = Iterate(prepare(folder, count, rounds))
        expected, usual_s, findings = run_under_fire(job, folder, kills, random.Random(seed))  # noqa: S311 - not a secret
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, seed {seed}"
    report = {"machine": machine, "stages": len(expected) - 1, **findings.report(usual_s)}
    print(json.dumps(report, indent=2))
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n")
    sys.exit(1 if findings.faults else 0)


if __name__ == "__main__":
    main()
