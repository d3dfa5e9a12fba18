"""Makes a small policy from nothing, and the figures that docs/experiments/tiny-policy.md tells.

    python benchmarks/train_tiny.py FOLDER

The symbolic policy without its automation searches training formulas, guided by the head that comes with leanebm. A
Llama of some two million weights, and a tokenizer of its own, learn what Lean accepted in these searches, and then what
closed a goal. Both policies then search the same formulas with skeletons that neither has seen, at the same number of
expansions, and are compared formula by formula. Every step's result is kept in the folder: started again, the script
goes on where it was stopped.

With ``--whole-proofs`` the small policy then learns to write proofs to their end, and two searches that differ only in
what they make of its samples are compared: one tries the first tactic of each, the other replays them whole.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

from leanebm.pipeline import FinetuneConfig, FinetuneSources, compare_runs
from leanebm.pipeline.finetune.finetune_run import FinetuneRun
from leanebm.pipeline.finetune.fresh_model import FreshModelConfig, fresh_model
from leanebm.pipeline.finetune.lessons import Lessons
from leanebm.trajectory import Cost

SHOWN_AS: Final = "first_goal"
CANDIDATES: Final = 8
SEARCH: Final = ("--candidates", str(CANDIDATES), "--scorer", "length_normalised:alpha=1")
SYMBOLIC: Final = ("--without", "grind,omega,simp_all,decide,simp")
SETTINGS: Final = """
[lean]
backend = "embedded"
tactic_timeout_s = 2.0
"""


@attrs.frozen(kw_only=True)
class Size:
    """How much is done."""

    formulas: int = 1582
    """Training formulas that are searched."""

    expansions: int = 24
    """Of such a search."""

    hidden: int = 256
    layers: int = 5
    """With the width of 256, 4.4 million weights."""

    steps: int = 1500
    batch_size: int = 32
    learning_rate: float = 1e-3
    splits: tuple[str, ...] = ("val", "test")
    """Formulas that both policies search; the first split is for choices, the second for what is told."""

    judged: int | None = None
    """How many of each split; ``None`` is all."""

    budget: int = 16
    """Expansions of such a search."""

    whole_steps: int = 600
    """Steps in which the model that writes tactics learns to write proofs."""

    workers: int = 2


class TinyPolicy:
    """The steps, each with a result on the disk."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.folder = folder
        self.size = size

    def run(self) -> None:
        """All steps that have not been run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "settings.toml").write_text(SETTINGS)
        train = ("--sample", str(self.size.formulas), "--budget", str(self.size.expansions))
        self.search("train", "train", *SYMBOLIC, *train)
        self.train()
        for split in self.size.splits:
            self.judge(split)

    def run_whole_proofs(self) -> None:
        """What comes after :meth:`run`, with a policy that writes whole proofs."""
        self.train_whole_proofs()
        self.judge_whole_proofs(self.size.splits[0])

    @property
    def sources(self) -> FinetuneSources:
        """What is learnt from."""
        return FinetuneSources(trajectories=(self.folder / "train",))

    @property
    def training(self) -> FinetuneConfig:
        """How it is learnt."""
        size = self.size
        return FinetuneConfig(
            model=str(self.folder / "fresh"),
            whole=True,
            hindsight=True,
            renamed_copies=4,
            prompt_format=SHOWN_AS,
            validation_fraction=0.05,
            max_steps=size.steps,
            batch_size=size.batch_size,
            learning_rate=size.learning_rate,
            weight_decay=0.01,
            max_tokens=512,
            max_batch_tokens=8192,
            device="cpu",
        )

    def train(self) -> None:
        """Make the model, and have it learn."""
        fresh, config = self.folder / "fresh", self.training
        if not (fresh / "config.json").exists():
            lessons = Lessons.read(
                self.sources,
                validation_fraction=config.validation_fraction,
                max_rejected_per_state=config.max_rejected_per_state,
                seed=config.seed,
                hindsight=True,
            )
            texts = [text for lesson in lessons.training.proofs for text in (f"{lesson.state}\n:::", lesson.tactic)]
            fresh_model(fresh, texts, FreshModelConfig(hidden=self.size.hidden, layers=self.size.layers))
        report = asyncio.run(FinetuneRun(config, self.sources, self.folder / "tuned").run())
        print("\n".join(report.lines()), flush=True)

    def train_whole_proofs(self) -> None:
        """Have the model that writes tactics learn to write proofs."""
        whole = attrs.evolve(
            self.training,
            model=str(self.folder / "tuned" / "model"),
            whole_proofs=True,
            max_steps=self.size.whole_steps,
            learning_rate=self.size.learning_rate / 2,
        )
        report = asyncio.run(FinetuneRun(whole, self.sources, self.folder / "tuned-whole").run())
        print("\n".join(report.lines()), flush=True)

    def judge_whole_proofs(self, split: str) -> None:
        """Search with the first tactic of each sample, and with all of it; the samples are of the same kind."""
        asked = ("--prompt-format", SHOWN_AS, "--max-tactic-tokens", "128", *self.chosen)
        arms = {"first": (), "whole": ("--whole-proofs", "--search", "whole_proofs")}
        if not all(self.is_done(f"{split}-{arm}") for arm in arms):
            with serving(self.folder / "tuned-whole" / "model") as url:
                for arm, options in arms.items():
                    self.search(split, f"{split}-{arm}", "--server-url", url, *asked, *options)
        print(f"\nlogic:{split}, the first tactic of each sample and the whole of it")
        for cost in (Cost.EXPANSIONS, Cost.TACTIC_CALLS):
            self.compare(f"{split}-first", f"{split}-whole", cost)

    def judge(self, split: str) -> None:
        """Have both policies search the formulas of a split, and say what came of it."""
        self.search(split, f"{split}-symbolic", *SYMBOLIC, *self.chosen)
        if not self.is_done(f"{split}-tiny"):
            with serving(self.folder / "tuned" / "model") as url:
                self.search(split, f"{split}-tiny", "--server-url", url, "--prompt-format", SHOWN_AS, *self.chosen)
        print(f"\nlogic:{split}, the symbolic policy and the small one")
        self.compare(f"{split}-symbolic", f"{split}-tiny")

    @property
    def chosen(self) -> tuple[str, ...]:
        """Which formulas of a split are searched, and for how long."""
        sample = () if self.size.judged is None else ("--sample", str(self.size.judged))
        return (*sample, "--budget", str(self.size.budget))

    def compare(self, baseline: str, experiment: str, cost: Cost = Cost.EXPANSIONS) -> None:
        """Say what two searches of the same formulas proved within each budget."""
        for row in compare_runs(self.folder / baseline, self.folder / experiment, cost=cost).budgets:
            gain = f"{100 * row.gain.value:+.1f} ({100 * row.gain.low:.1f} to {100 * row.gain.high:.1f})"
            print(
                f"{row.budget:4g} {cost.noun}: {row.baseline:4} and {row.experiment:4} proved, "
                f"+{row.only_experiment} −{row.only_baseline}, p = {row.p:.2g}, {gain}",
                flush=True,
            )

    def search(self, split: str, name: str, *options: str) -> None:
        """A search of formulas into the folder ``name``; does nothing if it was completed."""
        output = self.folder / name
        if self.is_done(name):
            return
        resume = ("--resume",) if output.exists() else ()
        settings = ("--config", str(self.folder / "settings.toml"), "--num-workers", str(self.size.workers))
        command = ["search", "--theorems", f"logic:{split}", "--output", str(output)]
        command += [*settings, *SEARCH, *options, *resume]
        print(f"\n$ leanebm {' '.join(command)}", flush=True)
        subprocess.run([sys.executable, "-m", "leanebm", *command], check=True)
        (self.folder / f".{name}.done").touch()

    def is_done(self, name: str) -> bool:
        """Whether that search was completed."""
        return (self.folder / f".{name}.done").exists()


@contextmanager
def serving(model: Path) -> Iterator[str]:
    """The address of a server with ``model``, as long as the block lasts."""
    command = ["serve", "--backend", "hf", "--model", str(model), "--port", "0", "--seed", "0", "--device", "cpu"]
    with subprocess.Popen([sys.executable, "-m", "leanebm", *command], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            said = server.stdout.readline()
            if " at http" not in said:
                sys.exit(f"the server did not start: {said}")
            yield said.split()[-1]
        finally:
            server.terminate()


def main() -> None:
    """Run what has not been run, and say what came of it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to end, it ends what it runs, too
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--whole-proofs", action="store_true", help="go on with a policy that writes whole proofs")
    numbers = ("formulas", "expansions", "hidden", "layers", "steps", "batch_size", "judged", "budget", "whole_steps")
    for name in (*numbers, "workers"):
        default = getattr(Size(), name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, help=f"[default: {default}]")
    arguments = vars(parser.parse_args())
    goes_on = arguments.pop("whole_proofs")
    policy = TinyPolicy(arguments.pop("folder"), Size(**arguments))
    policy.run()
    if goes_on:
        policy.run_whole_proofs()


if __name__ == "__main__":
    main()
