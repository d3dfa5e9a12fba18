"""Makes a small policy from nothing, and the figures that docs/experiments/tiny-policy.md tells.

    python benchmarks/train_tiny.py FOLDER

The symbolic policy without its automation searches training formulas. A Llama of some four million weights, and a
tokenizer of its own, learn from every goal that these searches closed. Both policies then search the same formulas with
skeletons that neither has seen, at the same number of expansions, and are compared formula by formula. Every step's
result is kept in the folder: started again, the script goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import asyncio
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

    def judge(self, split: str) -> None:
        """Have both policies search the formulas of a split, and say what came of it."""
        chosen = () if self.size.judged is None else ("--sample", str(self.size.judged))
        options = (*chosen, "--budget", str(self.size.budget))
        self.search(split, f"{split}-symbolic", *SYMBOLIC, *options)
        if not self.is_done(f"{split}-tiny"):
            with serving(self.folder / "tuned" / "model") as url:
                self.search(split, f"{split}-tiny", "--server-url", url, "--prompt-format", SHOWN_AS, *options)
        print(f"\nlogic:{split}, the symbolic policy and the small one")
        for row in compare_runs(self.folder / f"{split}-symbolic", self.folder / f"{split}-tiny").budgets:
            print(
                f"{row.budget:4g} expansions: {row.baseline:4} and {row.experiment:4} proved, "
                f"+{row.only_experiment} −{row.only_baseline}, p = {row.p:.2g}",
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name in ("formulas", "expansions", "hidden", "layers", "steps", "batch_size", "judged", "budget", "workers"):
        default = getattr(Size(), name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, help=f"[default: {default}]")
    arguments = vars(parser.parse_args())
    TinyPolicy(arguments.pop("folder"), Size(**arguments)).run()


if __name__ == "__main__":
    main()
