"""The whole way, with nothing but this machine: search, export, negatives, train, and search again with the head.

    python benchmarks/energy_end_to_end.py FOLDER

Theorems come from Lean's own library, split by module: a head is trained on theorems of some modules, weighed on those
of others, and judged on those of yet others. The policy is the symbolic one without its strong automation, so that
proofs have several steps; the encoder is the embedded server's. Every step is a command that a user would type, and
its folder is kept: started again, the script goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from leanebm.data import LibraryTheorem, library_theorems, write_theorems
from leanebm.energy.diagnostics import HeadReport
from leanebm.pipeline import summarise_run

WITHOUT = "grind,omega,simp_all,decide"
"""Closers that would make most proofs one step long; where there is no order to choose, none can be better."""

AREAS = ("Bool", "Fin", "Int", "List", "Nat", "Option", "Array", "Ord", "Order", "Range", "Vector")
SIZES = {"train": 400, "val": 150, "test": 150}
BUDGET = 16
SETTINGS = """
[search]
candidates_per_state = 8

[lean]
backend = "embedded"
tactic_timeout_s = 2.0
"""
"""Few candidates and short tactics: many theorems tell more than deep searches of a few."""

SEED = 0

GUIDED = {"guided": "", "weight-1": "--beta 1 --freeze-spectral"}
"""Arms with the head: as it was judged; and with a weight whatever the verdict, and exact spectral norms."""


def main() -> None:
    """Run every step that has not been run, then print what came of it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to end, it ends what it runs, too
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--until", choices=["search", "train", "compare"], default="compare")
    arguments = parser.parse_args()
    EndToEnd(arguments.folder, arguments.workers).run(arguments.until)


class EndToEnd:
    """The steps, each with a marker file that says how long it took."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.search_options = [
            *("--config", str(folder / "settings.toml"), "--budget", str(BUDGET), "--without", WITHOUT),
            *("--num-workers", str(workers), "--concurrency", str(2 * workers)),
        ]

    def run(self, until: str) -> None:
        """All steps up to ``until``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "settings.toml").write_text(SETTINGS)
        for split, size in SIZES.items():
            write_theorems(self.folder / f"{split}.jsonl", [item.theorem for item in sample(split, size)])
        for split in ("train", "val"):
            self.search(split)
        if until == "search":
            return
        self.train()
        if until == "train":
            return
        head = shlex.quote(str(self.folder / "head"))
        guided = (f"{name}=--ebm-path {head} {options}" for name, options in GUIDED.items())
        arms = (word for arm in ("plain=", *guided) for word in ("--arm", arm))
        self.search("test", "eval", "--headroom", "1", *arms)
        self.report()

    def search(self, split: str, command: str = "search", *options: str) -> None:
        """Search a split's theorems into a folder of its name."""
        theorems, output = self.folder / f"{split}.jsonl", self.folder / split
        resume = ["--resume"] if output.exists() else []
        self.step(split, command, "--theorems", theorems, "--output", output, *self.search_options, *options, *resume)

    def train(self) -> None:
        """Turn the proofs of the training and validation splits into groups, and the groups into a head."""
        for split in ("train", "val"):
            pairs, groups = self.folder / f"{split}-pairs.jsonl", self.folder / f"{split}-groups"
            self.step(f"{split}-pairs", "export", self.folder / split, "--output", pairs, "--overwrite")
            resume = ["--resume"] if groups.exists() else []
            self.step(
                f"{split}-groups",
                *("generate-negatives", "--tactic-pairs", pairs, "--output", groups, "--min-steps", "2"),
                *self.search_options,
                *("--audit", "20") if split == "val" else (),
                *resume,
            )
        self.step(
            "head",
            "train-ebm",
            self.folder / "train",
            *("--negatives", self.folder / "train-groups"),
            *("--val", self.folder / "val", "--val-negatives", self.folder / "val-groups"),
            *("--output-dir", self.folder / "head"),
        )

    def step(self, name: str, *command: object) -> None:
        """Run a command unless it has been run to its end."""
        done = self.folder / f".{name}.done"
        if done.exists():
            return
        typed = [sys.executable, "-m", "leanebm", *map(str, command)]
        print(f"\n$ leanebm {' '.join(typed[3:])}", flush=True)
        started_s = time.monotonic()
        subprocess.run(typed, check=True)
        done.write_text(f"{time.monotonic() - started_s:.1f}\n")

    def report(self) -> None:
        """What was found, and how long each step took."""
        diagnosis = HeadReport.read(self.folder / "head")
        print(f"\n{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, seed {SEED}")
        print(f"\n{diagnosis.verdict.grade.value}: {diagnosis.verdict.summary}")
        for name, found in diagnosis.metrics.items():
            interval = "" if found.low is None else f"  [{found.low:.3f}, {found.high:.3f}]"
            print(f"  {name:28} {'-' if found.value is None else format(found.value, '.3f'):>8}{interval}")
        print(f"  fitted weight {diagnosis.fit.calibration.beta:g}, weight in use {diagnosis.calibration.beta:g}")
        for name in ("plain", *GUIDED):
            totals = summarise_run(self.folder / "test" / "arms" / name).totals
            each_ms = 1000 * totals.score_s / max(1, totals.expansions)
            print(
                f"{name:12} {totals.proved:4} of {totals.attempted} proved, {totals.expansions} expansions, "
                f"{totals.tactic_calls} tactic calls, {each_ms:.1f} ms per expansion for energies and scores"
            )
        for done in sorted(self.folder.glob(".*.done")):
            print(f"{done.name[1:-5]:14} {done.read_text().strip():>8} s (of the invocation that ended it)")


def sample(split: str, size: int) -> Sequence[LibraryTheorem]:
    """Theorems about the data types that proofs by induction and rewriting are made for."""
    areas = {f"Init.Data.{area}" for area in AREAS}
    fitting = [item for item in library_theorems(split) if ".".join(item.module.split(".")[:3]) in areas]
    return random.Random(SEED).sample(fitting, min(size, len(fitting)))  # noqa: S311 - a sample, not a secret


if __name__ == "__main__":
    main()
