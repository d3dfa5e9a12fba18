"""Makes the formulas, the energy head that is trained on them, and the figures that docs/experiments/logic.md tells.

    python benchmarks/logic_head.py FOLDER

The policy is the symbolic one without its automation. It searches training formulas; a head learns from the search
trees; exponent and weight are chosen on validation formulas, by what is proved; and the tuned search without the head
is compared with the one that has it, on formulas that no choice was made on. Every step is a command that a user
would type, and its folder is kept: started again, the script goes on where it was stopped. The head that comes with
leanebm is this one; ``--ship`` puts it there.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import attrs

from leanebm.data.conjectures import SHIPPED_LOGIC, read_conjecture_file
from leanebm.energy import EnergyCheckpoint, load_checkpoint, save_checkpoint
from leanebm.pipeline import SHIPPED_HEAD, compare_runs

CONJECTURE = (
    *("--number", "2080", "--unseen", "160", "--difficulty", "4", "--per-skeleton", "1", "--keep-all"),
    *("--family", "propositional", "--family", "first_order", "--family", "existence", "--hold-out", "existence"),
)
SEARCH = ("--without", "grind,omega,simp_all,decide,simp", "--candidates", "8")
SETTINGS = """
[lean]
backend = "embedded"
tactic_timeout_s = 2.0
"""
TRAINED_ON = 650
BUDGET = 16
ALPHAS = (1.5, 1.0, 0.5)
"""The first is the baseline: what tuning chooses without a head."""

HEADS = {"head": ("--hidden", "256,128"), "ruler": ("--counts",)}
"""What is trained: on embeddings, and on eight counts of a state, which the first one has to beat."""


def plain(alpha: float) -> tuple[str, str]:
    """Options of a search by the policy alone."""
    return "--scorer", f"length_normalised:alpha={alpha:g}"


class LogicHead:
    """The steps, each with a marker file."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.search_options = [
            *("--config", str(folder / "settings.toml"), *SEARCH),
            *("--num-workers", str(workers), "--concurrency", "4"),
        ]

    def run(self) -> None:
        """All steps that have not been run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "settings.toml").write_text(SETTINGS)
        self.make_formulas()
        self.searching("search", "train", "--sample", str(TRAINED_ON), "--budget", "24", *plain(1.0))
        self.searching("search", "val", "--budget", "32", *plain(1.0))
        for name, options in HEADS.items():
            self.train(name, *options)
        heads = {name: ("--ebm-path", str(self.folder / name)) for name in HEADS}
        arms = {f"alpha{alpha:g}": plain(alpha) for alpha in ALPHAS} | heads
        named = [word for name, options in arms.items() for word in ("--arm", f"{name}={shlex.join(options)}")]
        self.searching("eval", "test", "--budget", str(BUDGET), *named)
        self.report()

    def train(self, name: str, *options: str) -> None:
        """Train a head, then choose its weights by what is proved of the validation formulas."""
        self.step(
            *(name, "train-ebm", "--trajectories", self.folder / "train", "--val-trajectories", self.folder / "val"),
            *("--threads", "1", "--output-dir", self.folder / name, *options),
        )
        weights = ("--alphas", ",".join(f"{alpha:g}" for alpha in ALPHAS), "--betas", "0.5,0.75,1,1.5")
        output = f"{name}-weights"
        self.searching(
            *("tune", "val", "--budget", str(BUDGET), *weights, "--ebm-path", str(self.folder / name)), name=output
        )

    def make_formulas(self) -> None:
        """Draw the formulas; they must be the shipped ones."""
        made = self.folder / "logic.parquet"
        self.step("formulas", "conjecture", "--output", made, *CONJECTURE)
        if read_conjecture_file(made).conjectures != read_conjecture_file(SHIPPED_LOGIC).conjectures:
            sys.exit(f"{made} and {SHIPPED_LOGIC} differ: the factory makes other formulas than it did")

    def searching(self, command: str, split: str, *options: str, name: str | None = None) -> None:
        """A command that searches the formulas of one split, into the folder ``name``."""
        output = self.folder / (name or split)
        resume = ["--resume"] if output.exists() else []
        theorems = ("--theorems", self.folder / "logic.parquet", "--split", split)
        self.step(output.name, command, *theorems, "--output", output, *self.search_options, *options, *resume)

    def step(self, name: str, *command: object) -> None:
        """Run a command unless it has been run to its end."""
        done = self.folder / f".{name}.done"
        if done.exists():
            return
        typed = [sys.executable, "-m", "leanebm", *map(str, command)]
        print(f"\n$ leanebm {' '.join(typed[3:])}", flush=True)
        subprocess.run(typed, check=True)
        done.touch()

    def report(self) -> None:
        """The comparisons that matter."""
        arms = self.folder / "test" / "arms"
        for before, after in (("alpha0.5", "alpha1"), ("alpha1.5", "head"), ("alpha1", "head"), ("ruler", "head")):
            print(f"\n{after} beside {before}")
            for row in compare_runs(arms / before, arms / after).budgets:
                print(
                    f"{row.budget:4g} expansions: {row.baseline:4} and {row.experiment:4} proved, "
                    f"+{row.only_experiment} −{row.only_baseline}, p = {row.p:.2g}"
                )

    def ship(self) -> None:
        """Put the head where the package has its own, with a word on how it was made."""
        found = load_checkpoint(self.folder / "head")
        made = {**found.header.training, "made_by": "python benchmarks/logic_head.py", "trained_on": "logic:train"}
        shutil.rmtree(SHIPPED_HEAD, ignore_errors=True)
        save_checkpoint(
            SHIPPED_HEAD, EnergyCheckpoint(header=attrs.evolve(found.header, training=made), head=found.head)
        )


def main() -> None:
    """Run what has not been run, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ship", action="store_true", help="make it the head that comes with leanebm")
    arguments = parser.parse_args()
    steps = LogicHead(arguments.folder, arguments.workers)
    steps.run()
    if arguments.ship:
        steps.ship()


if __name__ == "__main__":
    main()
