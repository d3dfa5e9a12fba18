"""Makes a small policy from nothing, and the figures that docs/experiments/tiny-policy.md tells.

    python benchmarks/train_tiny.py FOLDER

The symbolic policy without its automation searches training formulas, guided by the head that comes with leanebm. A
Llama of some two million weights, and a tokenizer of its own, learn what Lean accepted in these searches, and then what
closed a goal: first from the goal alone, then with a digest of it. An energy head learns from the same searches and
the model's embeddings. Both policies, and the small one with the head, then search the same formulas with skeletons
that none has seen, at the same number of expansions, and are compared formula by formula. Every step's result is kept
in the folder: started again, the script goes on where it was stopped.

With ``--whole-proofs`` the small policy then learns to write proofs to their end, and two searches that differ only in
what they make of its samples are compared: one tries the first tactic of each, the other replays them whole.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import torch
from transformers import AutoModelForCausalLM

from leanebm.pipeline import FinetuneConfig, FinetuneSources, LessonKind, compare_runs
from leanebm.pipeline._rendering import rendered
from leanebm.pipeline.finetune._examples import Example
from leanebm.pipeline.finetune._objective import Batch, learnt_log_probs
from leanebm.pipeline.finetune.finetune_run import FinetuneRun
from leanebm.pipeline.finetune.fresh_model import FreshModelConfig, fresh_model
from leanebm.pipeline.finetune.lessons import Lessons
from leanebm.policy import prompt_format_of
from leanebm.serve.backends.hf.tokenizer import PromptTokenizer
from leanebm.trajectory import Cost

SHOWN_AS: Final = "first_goal"
DIGESTED: Final = "goal_digest"
FORM_NOTE: Final = shutil.ignore_patterns("leanebm_policy.json")
CANDIDATES: Final = 8
SEARCH: Final = ("--candidates", str(CANDIDATES))
SCORED: Final = ("--scorer", "length_normalised:alpha=1")
SYMBOLIC: Final = ("--without", "grind,omega,simp_all,decide,simp")
GUIDED: Final = ("--ebm-path", "logic")
SAMPLES: Final = ("--samples-per-candidate", "3")
"""A small model is sure of itself: of 8 samples some 5 differ."""

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

    drawn: int = 1500
    """Further formulas, drawn with another seed, of which those for training are searched, too."""

    hidden: int = 192
    layers: int = 5
    """With the width of 192, 2.5 million weights."""

    first_steps: int = 1800
    """Steps in which what Lean accepted is learnt."""

    steps: int = 4000
    """Steps in which the goals that searches closed are learnt."""

    digest_steps: int = 2500
    """Further ones, with a digest of each goal in the prompt."""

    head_steps: int = 3000
    """Most steps in which the energy head learns."""

    batch_size: int = 32
    learning_rate: float = 2e-3
    """In the first steps; half of it later."""

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
        self.find_lessons()
        self.train()
        self.train_head()
        for split in self.size.splits:
            self.judge(split)

    def find_lessons(self) -> None:
        """Search for what is to be learnt: formulas that come with leanebm, and others."""
        size, guided = self.size, (*SYMBOLIC, *GUIDED, "--budget", str(self.size.expansions))
        self.search("logic:train", "train", *guided, "--sample", str(size.formulas))
        if size.drawn:
            drawn = self.folder / "drawn.parquet"
            if not drawn.exists():
                number = ("--number", str(size.drawn), "--unseen", "0", "--difficulty", "4", "--per-skeleton", "1")
                families = ("--family", "propositional", "--family", "first_order", "--keep-all", "--seed", "5")
                leanebm("conjecture", "--output", str(drawn), *number, *families)
            self.search(str(drawn), "more", *guided, "--split", "train")

    def run_whole_proofs(self) -> None:
        """What comes after :meth:`run`, with a policy that writes whole proofs."""
        whole = self.later_lessons("tuned", LessonKind.WHOLE_PROOFS, self.size.whole_steps)
        self.finetune("tuned-whole", whole)
        self.judge_whole_proofs(self.size.splits[0])

    @property
    def sources(self) -> FinetuneSources:
        """What is learnt from."""
        searches = ("train", "more") if self.size.drawn else ("train",)
        return FinetuneSources(trajectories=tuple(self.folder / name for name in searches))

    @property
    def first_lessons(self) -> FinetuneConfig:
        """How a model from nothing begins."""
        size = self.size
        return FinetuneConfig(
            model=str(self.folder / "fresh"),
            whole=True,
            learn=LessonKind.ACCEPTED,
            prompt_weight=0.3,
            renamed_copies=1,
            prompt_format=SHOWN_AS,
            validation_fraction=0.03,
            max_steps=size.first_steps,
            batch_size=size.batch_size,
            learning_rate=size.learning_rate,
            weight_decay=0.01,
            max_tokens=384,
            max_batch_tokens=16384,
            device="cpu",
        )

    def train(self) -> None:
        """Make the model, and have it learn."""
        fresh, config = self.folder / "fresh", self.first_lessons
        if not (fresh / "config.json").exists():
            lessons = Lessons.read(
                self.sources,
                validation_fraction=config.validation_fraction,
                max_rejected_per_state=config.max_rejected_per_state,
                seed=config.seed,
                learn=LessonKind.GOALS,
            )
            texts = [text for lesson in lessons.training.proofs for text in (f"{lesson.state}\n:::", lesson.tactic)]
            fresh_model(fresh, texts, FreshModelConfig(hidden=self.size.hidden, layers=self.size.layers))
        self.finetune("first", config)
        self.finetune("tuned", self.later_lessons("first", LessonKind.GOALS, self.size.steps))
        for hypotheses in (2, 4):
            share = seen(self.folder / "tuned" / "model", hypotheses)
            print(f"sees which of {hypotheses} hypotheses is the target in {100 * share:.0f} % of goals", flush=True)
        unbound = self.folder / "unbound" / "model"  # as it is, but for the note in which form it has been shown goals
        shutil.copytree(self.folder / "tuned" / "model", unbound, ignore=FORM_NOTE, dirs_exist_ok=True)
        digested = self.later_lessons("unbound", LessonKind.GOALS, self.size.digest_steps)
        self.finetune("digested", attrs.evolve(digested, prompt_format=DIGESTED, max_tokens=448))

    def train_head(self) -> None:
        """Train an energy head on the model's embeddings, and choose its weight by what is proved with it."""
        if self.is_done("head"):
            return
        head, tuning = self.folder / "head", self.folder / "head-tuning"
        with serving(self.folder / "digested" / "model") as url:
            kept = ("--embedding-cache", str(self.folder / "embeddings.sqlite"), "--output-dir", str(head))
            learning = ("--hidden", "256,128", "--steps", str(self.size.head_steps))
            leanebm("train-ebm", str(self.folder / "train"), "--server-url", url, *kept, *learning)
            choice = ("--ebm-path", str(head), "--alphas", "1", "--betas", "0.5,1,2,3", "--output", str(tuning))
            resume = ("--resume",) if tuning.exists() else ()
            theorems = ("--theorems", f"logic:{self.size.splits[0]}")
            leanebm("tune", *theorems, *choice, *self.settings, *SEARCH, *asking(url), *self.chosen, *resume)
        self.mark_done("head")

    def later_lessons(self, model: str, learn: LessonKind, steps: int) -> FinetuneConfig:
        """How a model that has learnt goes on."""
        return attrs.evolve(
            self.first_lessons,
            model=str(self.folder / model / "model"),
            learn=learn,
            prompt_weight=0.0,
            renamed_copies=4,
            max_steps=steps,
            learning_rate=self.size.learning_rate / 2,
        )

    def finetune(self, name: str, config: FinetuneConfig) -> None:
        """A training into the folder ``name``."""
        report = asyncio.run(FinetuneRun(config, self.sources, self.folder / name).run())
        print("\n".join(report.lines()), flush=True)

    def judge_whole_proofs(self, split: str) -> None:
        """Search with the first tactic of each sample, and with all of it; the samples are of the same kind."""
        asked = ("--prompt-format", SHOWN_AS, "--max-tactic-tokens", "128", *self.chosen)
        arms = {"first": (), "whole": ("--whole-proofs", "--search", "whole_proofs")}
        if not all(self.is_done(f"{split}-{arm}") for arm in arms):
            with serving(self.folder / "tuned-whole" / "model") as url:
                for arm, options in arms.items():
                    self.search(f"logic:{split}", f"{split}-{arm}", "--server-url", url, *asked, *options)
        print(f"\nlogic:{split}, the first tactic of each sample and the whole of it")
        for cost in (Cost.EXPANSIONS, Cost.TACTIC_CALLS):
            self.compare(f"{split}-first", f"{split}-whole", cost)

    def judge(self, split: str) -> None:
        """Have both policies search the formulas of a split, and say what came of it."""
        self.search(f"logic:{split}", f"{split}-symbolic", *SYMBOLIC, *SAMPLES, *self.chosen)
        arms = {"tiny": (), "guided": ("--ebm-path", str(self.folder / "head"))}
        if not all(self.is_done(f"{split}-{arm}") for arm in arms):
            with serving(self.folder / "digested" / "model") as url:
                for arm, options in arms.items():
                    self.search(f"logic:{split}", f"{split}-{arm}", *asking(url), *self.chosen, *options)
        print(f"\nlogic:{split}, the symbolic policy and the small one")
        self.compare(f"{split}-symbolic", f"{split}-tiny")
        print(f"\nlogic:{split}, the small policy without the head and with it")
        self.compare(f"{split}-tiny", f"{split}-guided")

    @property
    def settings(self) -> tuple[str, ...]:
        """Of every search."""
        return ("--config", str(self.folder / "settings.toml"), "--num-workers", str(self.size.workers))

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

    def search(self, theorems: str, name: str, *options: str) -> None:
        """A search of formulas into the folder ``name``; does nothing if it was completed."""
        output = self.folder / name
        if self.is_done(name):
            return
        resume = ("--resume",) if output.exists() else ()
        shared = SEARCH if GUIDED[0] in options else (*SEARCH, *SCORED)
        leanebm("search", "--theorems", theorems, "--output", str(output), *self.settings, *shared, *options, *resume)
        self.mark_done(name)

    def is_done(self, name: str) -> bool:
        """Whether that step was completed."""
        return (self.folder / f".{name}.done").exists()

    def mark_done(self, name: str) -> None:
        """Note that it was."""
        (self.folder / f".{name}.done").touch()


def asking(url: str) -> tuple[str, ...]:
    """How searches ask the small policy."""
    return ("--server-url", url, "--prompt-format", DIGESTED, *SAMPLES)


def leanebm(*command: str) -> None:
    """Run a command to its end, and say which."""
    print(f"\n$ leanebm {' '.join(command)}", flush=True)
    subprocess.run([sys.executable, "-m", "leanebm", *command], check=True)


def seen(folder: Path, hypotheses: int, goals: int = 100) -> float:
    """How often a model sees which hypothesis is the target: the share of goals where it likes that one's name best.

    Each goal is what one of its hypotheses says, and ``exact`` with that one closes it. Chance is 1 / ``hypotheses``.
    """
    auto: Any = AutoModelForCausalLM
    model, tokenizer = auto.from_pretrained(folder).eval(), PromptTokenizer.load(folder, trust_remote_code=False)
    rng = random.Random(0)  # noqa: S311 - goals, not secrets
    names = ["h", *(f"h{number}" for number in range(1, hypotheses))]
    right = 0
    for _ in range(goals):
        said = rng.sample(["p", "q", "r", "p ∧ q", "¬r", "q ∨ r", "p → q", "r ∧ ¬p"], hypotheses)
        wanted = rng.randrange(hypotheses)
        lines = ["p q r : Prop", *map("{} : {}".format, names, said), f"⊢ {said[wanted]}"]
        prompt = rendered("\n".join(lines), prompt_format_of(SHOWN_AS, whole_proofs=False), 16_000)
        assert prompt is not None
        asked, *whole = tokenizer.encode([prompt, *(f"{prompt}exact {name}" for name in names)])
        ends = [(*ids, tokenizer.eos_id or 0) for ids in whole]
        batch = Batch.of([Example(ids, len(asked)) for ids in ends], torch.device("cpu"))
        with torch.no_grad():
            right += int(learnt_log_probs(model, batch).sum(dim=1).argmax()) == wanted
    return right / goals


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
    numbers = (
        "formulas",
        "drawn",
        "expansions",
        "hidden",
        "layers",
        "first_steps",
        "steps",
        "digest_steps",
        "head_steps",
    )
    for name in (*numbers, "batch_size", "judged", "budget", "whole_steps", "workers"):
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
