"""``leanebm iterate``, killed again and again.

.. code-block:: text

    python benchmarks/kill_iterate.py [--kills 10] [--theorems 24] [--rounds 2] [--finetune] [--seed 0] [--json FILE]

An iteration is run undisturbed, and under fire (``_under_fire.py``), the same command going on with what is there.
After each kill every manifest, stage record and shard that is there must be readable whole. Completed runs must end as
the undisturbed one did: the same manifest, but for what each stage cost. The workers are those of
``_chance_worker.py``; the encoder, the heads and the searches are real. Exit status 0 only if nothing of this was ever
broken.

With ``--finetune`` the policy is a language model of random weights behind ``leanebm serve --backend hf``, and learns
in each round; searches are smaller. The server outlives a kill, but for every second one, after which it is killed,
too, and started anew without the adapters that it had loaded. All rows of all searches, and every adapter, are then
compared as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import attrs
import click
from _tiny_llama import tiny_llama
from _under_fire import Findings, Job, adopt_orphans, run_under_fire
from kill_main import CHANCE_WORKER
from safetensors.torch import load_file

from leanebm.core import Theorem
from leanebm.data import write_theorems
from leanebm.pipeline import IterationManifest, StageRecord, read_search_groups
from leanebm.trajectory import read_trajectory

SETTINGS = """
rounds = {rounds}
alphas = {weights}
betas = {weights}
[run]
concurrency = {concurrency}
[theorems]
train = {train}
validation = {validation}
test = {test}
[run.search]
candidates_per_state = {candidates}
[run.search.budget]
max_expansions = {expansions}
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

FINETUNE = """
[run.policy]
url = {url}
sampling_seed = 0
max_tactic_tokens = 4
[finetune]
model = {model}
max_steps = 12
evaluations = 6
batch_size = 4
learning_rate = 0.01
validation_fraction = 0.3
"""


@attrs.define
class Server:
    """``leanebm serve --backend hf``, at one address for good."""

    model: Path
    log: Path
    url: str = attrs.field(init=False, default="")
    process: subprocess.Popen[str] = attrs.field(init=False)

    def start(self) -> None:
        """Wait until it serves."""
        port = self.url.rpartition(":")[2] or "0"
        command = ["-m", "leanebm", "serve", "--backend", "hf", "--model", str(self.model), "--port", port]
        with self.log.open("ab") as lines:
            self.process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=lines, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().rpartition(" ")[2].strip()
        if not self.url:
            raise SystemExit(f"the policy server did not start: see {self.log}")

    def kill(self) -> None:
        """With all that it was told."""
        self.process.kill()
        self.process.communicate()


@attrs.define
class Iterate(Job):
    """``leanebm iterate``, small."""

    settings: Path
    server: Server | None = None
    restarts: int = 0
    pauses: int = 0

    def beside(self) -> Collection[int]:
        """The policy server."""
        return () if self.server is None else (self.server.process.pid,)

    def between(self) -> None:
        """Every second time, another server takes the place of the one that was told of adapters."""
        self.pauses += 1
        if self.server is not None and self.pauses % 2 == 0:
            self.server.kill()
            self.server.start()
            self.restarts += 1

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
        for weights in output.rglob("*.safetensors"):
            load_file(weights)
            findings.files_read += 1
        if self.server is not None and (place := place_in(output, found)):
            findings.hit[place] += 1
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
        if self.server is not None:
            searches = [path.parent for path in output.rglob("trajectory") if any(path.glob("*.parquet"))]
            whole |= {f"rows of {search.relative_to(output)}": rows_of(search) for search in searches}
            weights = sorted(output.rglob("adapter/*.safetensors"))
            whole |= {str(path.relative_to(output)): digest(path.read_bytes()) for path in weights}
        return {name: digest(json.dumps(value).encode()) for name, value in whole.items()}


def digest(data: bytes) -> str:
    """A short name of what is equal only if every byte is."""
    return hashlib.sha256(data).hexdigest()[:16]


def rows_of(search: Path) -> list[dict[str, Any]]:
    """All nodes of a search with what was tried there, without times, and without whose run it was and whose worker."""
    rows = [attrs.asdict(row) for row in read_trajectory(search).rows()]
    for row in rows:
        for name in ("run_id", "started_unix_s", "found_s", "tactic_s", "worker_epoch"):
            del row[name]
        for attempt in row["attempts"]:
            del attempt["elapsed_s"]
            attempt["message"] = attempt["message"].partition(": two workers ended")[0]
    return sorted(rows, key=lambda row: (row["theorem"], row["node"]))


def place_in(output: Path, done: Collection[str]) -> str | None:
    """What a killed iteration was about, or on its way to: its next stage, as the undisturbed one has them."""
    undisturbed = IterationManifest.read(output.parent / "undisturbed")
    assert undisturbed is not None
    stage = next((record.stage for record in undisturbed.stages if record.stage not in done), None)
    if stage is None:
        return None
    if stage.endswith("policy") and (output / stage / "report.json").exists():
        return f"{stage}, trained"
    return stage


def prepare(folder: Path, count: int, rounds: int, server: Server | None) -> Path:
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
    size = {"weights": [0.5, 1.0], "candidates": 8, "expansions": 12, "concurrency": 4}
    if server is not None:
        size = {"weights": [0.5], "candidates": 6, "expansions": 9, "concurrency": 1}
    text = SETTINGS.format(rounds=rounds, argv=argv, **quoted, **size)
    if server is not None:
        text += FINETUNE.format(url=json.dumps(server.url), model=json.dumps(str(server.model)))
    settings.write_text(text)
    return settings


@click.command()
@click.option("--kills", default=10, show_default=True)
@click.option("--theorems", "count", default=24, show_default=True, help="In each of the three sets.")
@click.option("--rounds", default=2, show_default=True)
@click.option("--finetune", is_flag=True, help="The policy is a language model, and learns, too.")
@click.option("--seed", default=0, show_default=True, help="When it is killed.")
@click.option("--output", type=click.Path(path_type=Path), help="Where the runs go.  [default: a temporary folder]")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(
    *, kills: int, count: int, rounds: int, finetune: bool, seed: int, output: Path | None, json_file: Path | None
) -> None:
    """Kill it, and say what was found."""
    adopt_orphans()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (output or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        server = Server(tiny_llama(folder / "model"), folder / "log") if finetune else None
        with contextlib.ExitStack() as stack:
            if server is not None:
                server.start()
                stack.callback(server.kill)
            job = Iterate(prepare(folder, count, rounds, server), server)
            rng = random.Random(seed)  # noqa: S311 - not a secret
            expected, usual_s, findings = run_under_fire(job, folder, kills, rng)
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, seed {seed}"
    report = {"machine": machine, "compared": len(expected), **findings.report(usual_s)}
    report |= {"policy servers killed": job.restarts} if finetune else {}
    print(json.dumps(report, indent=2))
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n")
    sys.exit(1 if findings.faults else 0)


if __name__ == "__main__":
    main()
