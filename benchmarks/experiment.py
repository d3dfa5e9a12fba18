"""Does an energy head prove more? One experiment from statements to figures, for one kind of theorems.

    python benchmarks/experiment.py --kind logic|equations|rearranging|words [--folder runs/KIND] [--seeds 0,1,2]
                                    [--rounds 3] [--small]

The symbolic policy, without its automation, searches training statements; heads learn from the search trees, and so do
*rulers*, which see eight counts of a state in place of its embedding, and heads on an encoder of the kind's own, if it
has one; beside these stands what that encoder sees, weighed without learning. The exponent of the length and the weight
of the energy are chosen together by what is proved of the validation statements, with the first seed of each sort of
head. Then the tuned search without a head is compared with those that have one, and with one in which each goal costs
something, on statements that no choice was made on. Before a head is trained, what four times the budget proves says
how much there is to gain. At the end, ``leanebm iterate`` goes through rounds of search and learning.
Every stage is a command that a user would type, all arms share their answers, and a stage that was run to its end is
left out: started again, the experiment goes on where it was stopped, and ends with the same figures. ``--small`` is the
same in minutes, with too few theorems to show anything. The figures are printed, and written to FOLDER/report.md;
FOLDER/report.html has the curves.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any, Final

import attrs
import numpy as np
import tomli_w

from leanebm.data.conjectures import SHIPPED_LOGIC, ConjectureFile, read_conjecture_file, write_conjecture_file
from leanebm.energy import EnergyCheckpoint, TunedWeights, amend_header, load_checkpoint, load_header, save_checkpoint
from leanebm.energy.diagnostics import Estimate, macro_mean
from leanebm.pipeline import (
    SHIPPED_HEAD,
    BudgetComparison,
    Headroom,
    Interval,
    RunComparison,
    compare_runs,
    iteration_table,
    judged_area,
    summarise_iteration,
    summarise_run,
    write_comparison_page,
)
from leanebm.storage import write_atomically
from leanebm.trajectory import AnytimeCurve

ALPHAS = (0.5, 1.0, 1.5, 2.0)
GUIDED_ALPHAS = (1.0, 1.5)
"""With a head, or a price, each with all of the following."""

BETAS = (0.75, 1.5, 4.0)
PRICES: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "goals": ("goal_count", (0.1, 0.3, 1.0)),
    "length": ("shortest_state", (0.003, 0.01, 0.03, 0.1, 0.3)),
}
"""Off the score for each goal, or each character, of a state: what a search can know of it without learning."""

MODEL_WEIGHTS = (0.1, 0.3, 1.0, 3.0)
"""Off the score per unit of an energy that has learnt nothing."""

DEFAULT_ALPHA = 0.5
TRAINING_ALPHA = 1.0
HIDDEN = (256, 128)
HEADS: Mapping[str, tuple[str, ...]] = {
    "head": ("--hidden", ",".join(map(str, HIDDEN))),
    "ruler": ("--state-encoder", "counts"),
}
"""What is trained: on embeddings, and on eight counts of a state, which the first one has to beat."""

OWN: Final = "own"
"""A sort of heads beside these, where a kind has an encoder of its own."""

HEADROOM = 4
"""Times the budget with which is measured what there is to gain."""

DEEP = 4
"""Tactics of a proof that counts as deep."""

ROUNDS_APART = 100
"""Between the seeds of two experiments' rounds, each round's being one more than that of the round before."""

FLIPS = 200_000
"""Draws of signs, of which a p-value over several seeds is the share."""


@attrs.frozen(kw_only=True)
class Kind:
    """One kind of theorems, and how they are searched."""

    statements: tuple[str, ...]
    """Options of ``leanebm conjecture``."""

    without: str
    """Tactics that the policy must not propose."""

    tactic_timeout_s: float
    train: tuple[int, int]
    """Training statements that are searched, and the expansions that each gets."""

    budget: int
    """Expansions per validation and test statement."""

    candidates: int = 8
    samples: Mapping[str, int] = attrs.field(factory=dict)
    """How many of the validation and test statements are searched, where it is not all."""

    headroom: int = 60
    """Test statements on which four times the budget is tried."""

    iterated: Mapping[str, int] = {"train": 300, "validation": 140, "test": 320}
    """Statements, at most, of the rounds of search and learning."""

    betas: tuple[float, ...] = BETAS
    """Weights of the energy to choose from."""

    encoder: str | None = None
    """An encoder of its own, ``module:Name`` in this folder: heads are trained on it, too."""

    unlearnt: Mapping[str, str] = attrs.field(factory=dict)
    """Arms with an energy model that has learnt nothing, ``module:Name`` in this folder: what the encoder sees."""

    max_steps: int | None = None
    """Steps of a head's training, where it is to be short."""

    shipped: Path | None = None
    """The set that comes with leanebm, which the commands must make anew."""

    fresh: int = 0
    """Statements drawn with another seed. If any, choices are made and reported on these: on those whose skeletons the
    other set has not."""


LOGIC = Kind(
    statements=(
        *("--number", "2080", "--unseen", "160", "--difficulty", "4"),
        *("--family", "propositional", "--family", "first_order", "--family", "existence", "--hold-out", "existence"),
    ),
    without="grind,omega,simp_all,decide,simp",
    tactic_timeout_s=10.0,
    train=(650, 24),
    budget=16,
    samples={"val": 300, "test": 600},
    shipped=SHIPPED_LOGIC,
    fresh=4500,
)
EQUATIONS = Kind(
    statements=(
        *("--number", "2000", "--unseen", "0", "--family", "rewriting"),
        *("--difficulty", "3", "--difficulty", "4"),
    ),
    without="grind,omega,simp_all,decide,simp,have,specialize,apply,cases,congr,ext,funext,exfalso,unfold,refine",
    tactic_timeout_s=10.0,
    train=(700, 16),
    budget=16,
    candidates=12,
    samples={"val": 150, "test": 300},
    headroom=30,
    fresh=4000,
    betas=(*BETAS, 8.0),
    encoder="law_encoder:LawEncoder",
    unlearnt={"ahead": "law_encoder:Nearness", "apart": "law_encoder:Nearness:uses=0"},
)
REARRANGING = attrs.evolve(
    EQUATIONS,
    statements=(
        *("--number", "1600", "--unseen", "0", "--family", "rearranging"),
        *("--difficulty", "3", "--difficulty", "4"),
    ),
    train=(700, 24),
)
WORDS = attrs.evolve(
    REARRANGING,
    statements=(
        *("--number", "1600", "--unseen", "0", "--family", "word_problem"),
        *("--difficulty", "3"),
    ),
    train=(700, 16),
)
KINDS = {"logic": LOGIC, "equations": EQUATIONS, "rearranging": REARRANGING, "words": WORDS}


def small(kind: Kind) -> Kind:
    """The same with so few theorems that it takes minutes."""
    return attrs.evolve(
        kind,
        statements=_replaced(kind.statements, {"--number": "150"}),
        train=(16, 8),
        budget=8,
        samples={"val": 8, "test": 8},
        headroom=4,
        iterated={"train": 12, "validation": 8, "test": 8},
        max_steps=50,
        shipped=None,
        fresh=min(kind.fresh, 150),
    )


@attrs.frozen
class Weights:
    """α and β of an arm, or its price in place of β, and what they proved of the validation statements."""

    alpha: float
    beta: float | None
    area: float
    proved: int
    theorems: int


def policy_alone(alpha: float) -> tuple[str, ...]:
    """Options of a search without a head."""
    return "--scorer", f"length_normalised:alpha={alpha:g}"


def with_head(folder: Path, alpha: float, beta: float) -> tuple[str, ...]:
    """Options of a search with one, by exact norms: energies that move with each forward would end otherwise."""
    return "--ebm-path", str(folder), *policy_alone(alpha), "--beta", f"{beta:g}", "--freeze-spectral"


def with_model(model: str, alpha: float, weight: float) -> tuple[str, ...]:
    """Options of a search with an energy model that knows no units."""
    return "--energy-model", model, *_beside_policy(alpha, "negative_energy", weight)


def with_price(name: str, alpha: float, price: float) -> tuple[str, ...]:
    """Options of a search without a head in which each goal, or each character, costs something."""
    scorer, _ = PRICES[name]
    return _beside_policy(alpha, scorer, price)


def _beside_policy(alpha: float, scorer: str, weight: float) -> tuple[str, str]:
    policy = f'{{scorer={{kind="length_normalised",alpha={alpha!r}}}}}'
    return "--scorer", f'weighted_sum:terms=[{policy},{{scorer="{scorer}",weight={weight!r}}}]'


class Experiment:
    """The stages, each with a file that says how it was made."""

    def __init__(self, kind: Kind, folder: Path, seeds: Sequence[int], workers: int, rounds: int = 0) -> None:
        self.kind = kind
        self.folder = folder
        self.rounds = rounds
        self.seed = seeds[0]
        self.sorts = dict(HEADS)
        if kind.encoder:
            self.sorts[OWN] = ("--hidden", "128,64", "--state-encoder", kind.encoder)
        self.heads = {f"{sort}{seed}": (seed, sort) for sort in self.sorts for seed in seeds}
        self.first_seeds = [self._seeds(sort)[0] for sort in self.sorts]
        self.statements = folder / "statements.parquet"
        self.judged_by = folder / "fresh.parquet" if kind.fresh else self.statements
        self.settings = folder / "settings.toml"
        self.search = ("--config", self.settings, "--without", kind.without, "--candidates", kind.candidates)
        self.workers, self.concurrency = workers, 3 * workers
        self.stages: list[str] = []

    def run(self) -> str:
        """All stages that have not been run; returns the report."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings.write_text(
            f'[lean]\nbackend = "embedded"\ntactic_timeout_s = {self.kind.tactic_timeout_s}\n', encoding="utf-8"
        )
        self.make_statements()
        number, budget = self.kind.train
        few = ("--split", "train", "--sample", number, "--budget", budget)
        self.searching("train", "search", *few, *policy_alone(TRAINING_ALPHA))
        alone = {f"policy-{alpha:g}": policy_alone(alpha) for alpha in ALPHAS}
        self.evaluating("val", alone)
        policy = self.choose("policy", alone)
        self.measure_headroom(policy)
        for name, (seed, sort) in self.heads.items():
            self.train(name, seed, self.sorts[sort])
        chosen = self.choose_weights(policy, alone)
        arms = self.arms(chosen)
        self.evaluating("test", arms, stage="test")
        self.iterate()
        report = "\n".join(self.report(chosen, arms))
        (self.folder / "report.md").write_text(f"{report}\n", encoding="utf-8")
        tested = self.folder / "test" / "arms"
        baseline, *others = (tested / name for name in arms)
        write_comparison_page(self.folder / "report.html", [compare_runs(baseline, other) for other in others])
        return report

    def make_statements(self) -> None:
        """Draw them; a set that comes with leanebm must come out the same."""
        made = ("--output", self.statements, "--per-skeleton", "1", "--keep-all", *self.kind.statements)
        self.stage("statements", "conjecture", *made)
        if self.kind.shipped:
            known = read_conjecture_file(self.statements).conjectures
            if known != read_conjecture_file(self.kind.shipped).conjectures:
                sys.exit(f"{self.statements} and {self.kind.shipped} differ: the factory makes other statements now")
        if self.kind.fresh:
            self.draw_fresh(made)

    def draw_fresh(self, made: Sequence[object]) -> None:
        """Draw others with another seed, and keep those whose skeletons the first set has not."""
        drawn = self.folder / "drawn.parquet"
        others = {"--output": str(drawn), "--number": str(self.kind.fresh), "--unseen": "0"}
        options = _replaced(list(map(str, made)), others)
        self.stage("drawn", "conjecture", *options, "--seed", 1)
        taken = {each.skeleton for each in read_conjecture_file(self.statements).conjectures}
        new = [each for each in read_conjecture_file(drawn).conjectures if each.skeleton not in taken]
        write_conjecture_file(self.judged_by, ConjectureFile(tuple(new), {}))

    def train(self, name: str, seed: int, options: Sequence[str]) -> None:
        """Train a head on the search trees of the training statements, and judge it on the validation ones'."""
        sources = (self.folder / "train", "--val", self.folder / "val" / "arms" / f"policy-{TRAINING_ALPHA:g}")
        steps = () if self.kind.max_steps is None else ("--steps", self.kind.max_steps)
        more = ("--seed", seed, "--threads", 1, "--output-dir", self.folder / name, *options, *steps)
        self.stage(name, "train-ebm", *sources, *more, read=self.kind.train)

    def choose_weights(self, policy: Weights, alone: Mapping[str, Sequence[str]]) -> dict[str, Weights]:
        """What each arm is weighed with, by what the validation searches prove; written into the heads, too."""
        guided = {
            f"{name}-{alpha:g}-{beta:g}": self.with_head(name, alpha, beta)
            for name in self.first_seeds
            for alpha, beta in product(GUIDED_ALPHAS, self.kind.betas)
        }
        priced = {
            f"{name}-{alpha:g}-{price:g}": with_price(name, alpha, price)
            for name, (_, prices) in PRICES.items()
            for alpha, price in product(GUIDED_ALPHAS, prices)
        }
        modelled = {
            f"{name}-{alpha:g}-{weight:g}": with_model(model, alpha, weight)
            for name, model in self.kind.unlearnt.items()
            for alpha, weight in product(GUIDED_ALPHAS, MODEL_WEIGHTS)
        }
        tried = {**alone, **guided, **priced, **modelled}
        self.evaluating("val", tried, stage="weights")
        names = [*PRICES, *self.kind.unlearnt, *self.first_seeds]
        chosen = {"policy": policy} | {name: self.choose(name, tried) for name in names}
        for name, (_, sort) in self.heads.items():
            chosen[name] = chosen[self._seeds(sort)[0]]
            self.write_weights(self.folder / name, chosen[name], policy)
        return chosen

    def choose(self, name: str, tried: Iterable[str]) -> Weights:
        """The best weights of a head, or of the policy alone, by the area under the curve of validation solves.

        As ``leanebm tune`` does; but here all heads share the answers of one evaluation. What else the folder holds,
        of weights that another invocation tried, does not count.
        """
        found = []
        arms = [arm for arm in tried if arm.startswith(f"{name}-")]
        curves = {arm: AnytimeCurve.of(summarise_run(self.folder / "val" / "arms" / arm).records) for arm in arms}
        for arm, curve in AnytimeCurve.on_shared_theorems(curves).items():
            alpha, *beta = map(float, arm.split("-")[1:])
            area, proved = judged_area(curve, self.kind.budget), curve.proved_within(self.kind.budget)
            found.append(Weights(alpha, beta[0] if beta else None, area, proved, len(curve.spent)))
        return max(found, key=lambda weights: weights.area)

    def write_weights(self, head: Path, best: Weights, policy: Weights) -> None:
        """Into the header, so that ``--ebm-path`` alone searches with them, as ``leanebm tune`` does."""
        units = load_header(head).calibration
        if units is None or best.beta is None:
            return
        tuned = TunedWeights(
            alpha=best.alpha,
            beta=best.beta,
            fitted_alpha=units.alpha,
            fitted_beta=units.beta,
            theorems=best.theorems,
            max_expansions=self.kind.budget,
            choices=len(GUIDED_ALPHAS) * len(self.kind.betas),
            proved=best.proved,
            proved_without=policy.proved,
        )
        amend_header(head, tuned=tuned)

    def arms(self, chosen: Mapping[str, Weights]) -> dict[str, tuple[str, ...]]:
        """What is compared on test statements; the first is the baseline. *training* made the training trees."""
        arms = {"policy": policy_alone(chosen["policy"].alpha), "training": policy_alone(TRAINING_ALPHA)}
        arms |= {name: with_price(name, chosen[name].alpha, chosen[name].beta or 0.0) for name in PRICES}
        for name, model in self.kind.unlearnt.items():
            arms[name] = with_model(model, chosen[name].alpha, chosen[name].beta or 0.0)
        for name in self.heads:
            weights = chosen[name]
            arms[name] = self.with_head(name, weights.alpha, weights.beta or 0.0)
        first = next(iter(self.heads))
        twin = chosen[first]
        arms |= {"default": policy_alone(DEFAULT_ALPHA), "shortest": ("--scorer", "shortest_state")}
        return arms | {"twin": with_head(self.folder / first / "twin", twin.alpha, twin.beta or 0.0)}

    def with_head(self, name: str, alpha: float, beta: float) -> tuple[str, ...]:
        """Options of a search with one of the heads, and with its encoder."""
        _, sort = self.heads[name]
        encoder = ("--state-encoder", self.kind.encoder) if sort == OWN and self.kind.encoder else ()
        return (*with_head(self.folder / name, alpha, beta), *encoder)

    def measure_headroom(self, policy: Weights) -> None:
        """What four times the budget proves, on some of the test statements; said before anything is trained."""
        arm = ("--arm", f"policy={shlex.join(policy_alone(policy.alpha))}")
        few = ("--split", "test", "--sample", self.kind.headroom, "--budget", self.kind.budget)
        self.searching("headroom", "eval", *few, "--headroom", HEADROOM, *arm)
        print(f"headroom: {self.headroom.sentence}", flush=True)

    @property
    def headroom(self) -> Headroom:
        """What was measured."""
        curve = AnytimeCurve.of(summarise_run(self.folder / "headroom" / "headroom").records)
        within = [curve.proved_within(times * self.kind.budget) for times in (1, HEADROOM)]
        return Headroom(factor=HEADROOM, theorems=len(curve.spent), proved=within[0], proved_with_more=within[1])

    def iterate(self) -> None:
        """Rounds of search and learning, each head from scratch on what all rounds found, beside as many of search."""
        if not self.rounds:
            return
        sets: dict[str, Any] = {}
        for name, split in (("train", "train"), ("validation", "val"), ("test", "test")):
            path = self.folder / f"{name}.parquet"
            chosen = [each for each in read_conjecture_file(self.statements).conjectures if each.split == split]
            write_conjecture_file(path, ConjectureFile(tuple(chosen), {}))
            sets |= {name: str(path), f"max_{name}": self.kind.iterated[name]}
        lean = {"backend": "embedded", "tactic_timeout_s": self.kind.tactic_timeout_s, "num_workers": self.workers}
        search = {"candidates_per_state": self.kind.candidates, "budget": {"max_expansions": self.kind.budget}}
        run = {"without": self.kind.without.split(","), "concurrency": self.concurrency, "lean": lean, "search": search}
        trainer = {} if self.kind.max_steps is None else {"max_steps": self.kind.max_steps}
        settings = {
            "rounds": self.rounds,
            "alphas": list(ALPHAS),
            "betas": list(BETAS),
            "max_expansions": 2 * self.kind.budget,
            "theorems": sets,
            "run": run | {"seed": ROUNDS_APART * self.seed},
            "head": {"hidden": list(HIDDEN), "threads": 1, "trainer": trainer | {"seed": self.seed}},
        }
        written = self.folder / "iterate.toml"
        written.write_text(tomli_w.dumps(settings), encoding="utf-8")
        self.stage("rounds", "iterate", written, "--output", self.folder / "rounds", again=("--resume",))

    def evaluating(self, split: str, arms: Mapping[str, Sequence[str]], *, stage: str | None = None) -> None:
        """Search a split with every arm."""
        named = [word for name, options in arms.items() for word in ("--arm", f"{name}={shlex.join(options)}")]
        sample = ("--sample", self.kind.samples[split]) if split in self.kind.samples else ()
        options = ("--split", split, *sample, "--budget", self.kind.budget, "--headroom", 1)
        self.searching(stage or split, "eval", *options, *named, output=split)

    def searching(self, stage: str, command: str, *options: object, output: str | None = None) -> None:
        """A command that searches statements, into a folder of its own."""
        folder = self.folder / (output or stage)
        again: tuple[object, ...] = ("--num-workers", self.workers, "--concurrency", self.concurrency)
        again += ("--resume",) if folder.exists() else ()
        statements = self.statements if command == "search" else self.judged_by
        words = ("--theorems", statements, "--output", folder, *self.search, *options)
        self.stage(stage, command, *words, again=again)

    def stage(
        self, name: str, command: str, *options: object, again: Sequence[object] = (), read: Sequence[object] = ()
    ) -> None:
        """Run a command unless it has been run to its end with these options.

        Args:
            name: of the stage.
            command: of ``leanebm``.
            options: the command's, on which depends what comes of it.
            again: further ones, on which it does not.
            read: says what is in the folders that it reads, where that can change.
        """
        self.stages.append(name)
        done = self.folder / f".{name}.done"
        files = [
            each.read_text(encoding="utf-8") for each in options if isinstance(each, Path) and each.suffix == ".toml"
        ]
        asked = [command, *map(str, (*options, *read)), *files]
        before = _read_json(done) if done.exists() else {}
        if before.get("asked") == asked:
            return
        typed = [command, *map(str, (*options, *again))]
        if command == "conjecture":  # it writes over no file; one that was killed as it ended may have left its own
            Path(typed[typed.index("--output") + 1]).unlink(missing_ok=True)
        print(f"\n$ leanebm {shlex.join(typed)}", flush=True)
        began, cpu_s = time.monotonic(), _cpu_s()
        here = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])  # the encoders are there
        argv = [sys.executable, "-m", "leanebm", *typed]
        status = subprocess.run(argv, env=os.environ | {"PYTHONPATH": here}, check=False).returncode
        if status:
            sys.exit(f"leanebm {command} ended with {status}; started again, the experiment goes on there")
        spent = {"cpu_s": _cpu_s() - cpu_s, "wall_s": time.monotonic() - began}
        cost = {key: before.get(key, 0.0) + seconds for key, seconds in spent.items()}
        write_atomically(done, json.dumps({"asked": asked, **cost, "load": os.getloadavg()[2]}).encode())

    def report(self, chosen: Mapping[str, Weights], arms: Iterable[str]) -> Iterator[str]:
        """Markdown: headroom, weights, curves, paired comparisons, rounds, and what it took."""
        tested = self.folder / "test" / "arms"
        yield f"Headroom: {self.headroom.sentence}.\n"
        yield from self._weights(chosen)
        budgets = [row.budget for row in compare_runs(tested / "policy", tested / "default").budgets]
        curves = {name: AnytimeCurve.of(summarise_run(tested / name).records) for name in arms}
        yield from _head_of("arm", [*(f"{budget:g}" for budget in budgets), "area"])
        for name, curve in curves.items():
            area = mean(curve.areas(budgets[0], budgets[-1]).values())
            yield _row(name, [*map(curve.proved_within, budgets), f"{area:.3f}"])
        yield ""
        columns = [*(f"{budget:g}" for budget in budgets[2:]), f"{DEEP} tactics and more", "lost"]
        yield from _head_of("pair", columns)
        broken: set[str] = set()
        for before, after in self._pairs():
            found = compare_runs(tested / before, tested / after)
            broken |= set(found.left_out)
            yield _row(f"{after} against {before}", [*map(_compared, found.budgets[2:]), _deep(found), _lost(found)])
        for heads, rivals in self._sides():
            theirs, ours = ([curves[name] for name in side] for side in (rivals, heads))
            cells = [_together(theirs, ours, budget) for budget in budgets[2:]]
            yield _row(f"{', '.join(heads)} together against {', '.join(rivals)}", [*cells, "", ""])
        searched = len(curves["policy"].spent)
        yield f"\nOf {searched} theorems. *Lost*: of what the second proves, the share that the first does not."
        if broken:
            yield f"Left out of a pair, because a search broke: {', '.join(sorted(broken))}."
        if self.rounds:
            yield from self._rounds()
        yield from self._costs()

    def _pairs(self) -> list[tuple[str, str]]:
        heads = self._seeds("head")
        return [
            *(("policy", name) for name in self.heads),
            *zip(self._seeds("ruler"), heads, strict=True),
            *((before, after) for name in PRICES for before, after in (("policy", name), (name, heads[0]))),
            *(("policy", "twin"), ("default", "policy"), ("policy", "shortest"), ("shortest", heads[0])),
        ]

    def _sides(self) -> Iterator[tuple[list[str], list[str]]]:
        """Heads, all seeds together, and what they are set against."""
        heads, rulers = self._seeds("head"), self._seeds("ruler")
        unlearnt = [[name] for name in (*PRICES, *self.kind.unlearnt)]
        yield from ((heads, rivals) for rivals in (["policy"], ["training"], rulers, *unlearnt))
        if own := self._seeds(OWN):
            yield from ((own, rivals) for rivals in (["policy"], rulers, heads, *unlearnt))

    def _seeds(self, sort: str) -> list[str]:
        return [name for name, (_, each) in self.heads.items() if each == sort]

    def _weights(self, chosen: Mapping[str, Weights]) -> Iterator[str]:
        yield from _head_of("validation", ["α", "β", "proved", "area", "siblings told apart", "twin"])
        for name, weights in chosen.items():
            metrics = load_header(self.folder / name).metrics if name in self.heads else {}
            accuracy = [
                f"{metrics[key]:.3f}" if key in metrics else "" for key in ("pairwise_sibling", "twin_pairwise")
            ]
            beta = "" if weights.beta is None else f"{weights.beta:g}"
            yield _row(name, [f"{weights.alpha:g}", beta, weights.proved, f"{weights.area:.3f}", *accuracy])
        yield ""

    def _rounds(self) -> Iterator[str]:
        summary = summarise_iteration(self.folder / "rounds")
        headings, rows = iteration_table(summary)
        yield ""
        yield from _head_of(headings[0], headings[1:])
        for first, *cells in rows:
            yield _row(first, cells)
        yield from ("", *(f"- {note}" for note in summary.notes))

    def _costs(self) -> Iterator[str]:
        machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
        yield f"\nWhat it took on {machine}, without invocations that were stopped:\n"
        yield from _head_of("stage", ["CPU minutes", "minutes", "load at its end"])
        costs = {name: _read_json(self.folder / f".{name}.done") for name in self.stages}
        for name, cost in costs.items():
            yield _row(name, [f"{cost['cpu_s'] / 60:.1f}", f"{cost['wall_s'] / 60:.1f}", f"{cost['load']:.1f}"])
        whole = [f"{sum(cost[key] for cost in costs.values()) / 60:.1f}" for key in ("cpu_s", "wall_s")]
        yield _row("all", [*whole, ""])

    def ship(self) -> None:
        """Put the first head where the package has its own, with a word on how it was made."""
        found = load_checkpoint(self.folder / next(iter(self.heads)))
        made = {**found.header.training, "made_by": "python benchmarks/experiment.py --kind logic"}
        header = attrs.evolve(found.header, training=made | {"trained_on": "logic:train"})
        shutil.rmtree(SHIPPED_HEAD, ignore_errors=True)
        save_checkpoint(SHIPPED_HEAD, EnergyCheckpoint(header=header, head=found.head))


def _replaced(options: Sequence[str], others: Mapping[str, str]) -> tuple[str, ...]:
    """A command line on which some options have other values."""
    return tuple(others.get(before, word) for before, word in zip(("", *options), options, strict=False))


def _head_of(first: str, columns: Sequence[str]) -> Iterator[str]:
    yield _row(first, columns)
    yield _row("---", ["---"] * len(columns))


def _row(first: str, cells: Iterator[object] | Sequence[object]) -> str:
    return f"| {' | '.join([first, *map(str, cells)])} |"


def _compared(row: BudgetComparison) -> str:
    return f"+{row.only_experiment} −{row.only_baseline}, p = {row.p:.2g}, {_points(row.gain)}"


def _together(before: Sequence[AnytimeCurve], after: Sequence[AnytimeCurve], budget: float) -> str:
    """The mean gain of several arms, and the share of random signs of each theorem's gain that give as much.

    Of each theorem counts the share of arms that prove it; one that an arm's search broke on is left out.
    """
    names = sorted(set.intersection(*(set(curve.spent) for curve in (*before, *after))))
    shares = [[mean(curve.spent[name] <= budget for curve in side) for name in names] for side in (before, after)]
    gains = np.subtract(shares[1], shares[0])
    rng = np.random.default_rng(0)
    signs = (rng.choice((-1, 1), size=(2_000, len(gains))) for _ in range(FLIPS // 2_000))
    as_much = sum(int((abs(flips @ gains) >= abs(gains.sum()) - 1e-9).sum()) for flips in signs)
    return f"p = {(as_much + 1) / (FLIPS + 1):.2g}, {_points(macro_mean(gains, names, resamples=10_000))}"


def _points(gain: Interval | Estimate) -> str:
    value, low, high = (math.nan if each is None else 100 * each for each in (gain.value, gain.low, gain.high))
    return f"{value:+.1f} ({low:.1f} to {high:.1f})".replace("-", "−")


def _deep(found: RunComparison) -> str:
    """Theorems proved whose shortest known proof is deep."""
    deep = [row for row in found.depths if row.depth >= DEEP]
    return f"{sum(row.experiment for row in deep)} and {sum(row.baseline for row in deep)}"


def _lost(found: RunComparison) -> str:
    """Of what the baseline proves, the share that the other one does not."""
    last = found.budgets[-1]
    return f"{100 * last.only_baseline / last.baseline:.1f} %" if last.baseline else "–"


def _read_json(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    return dict(json.loads(text)) if text else {}


def _cpu_s() -> float:
    """Seconds of processors that the commands took which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run what has not been run, and print what came of it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to end, it ends what it runs, too
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=KINDS, default="equations")
    parser.add_argument("--folder", type=Path, help="what is made, for this kind and size alone  [default: runs/KIND]")
    of_heads = "of the heads, with commas between them; the first is that of the rounds, too  [default: 0,1,2]"
    parser.add_argument("--seeds", default="0,1,2", help=of_heads)
    parser.add_argument("--workers", type=int, default=2, help="Lean processes")
    parser.add_argument("--rounds", type=int, default=3, help="of search and learning at the end  [default: 3]")
    parser.add_argument("--small", action="store_true", help="a few theorems, in minutes")
    parser.add_argument("--ship", action="store_true", help="make the first head the one that comes with leanebm")
    given = parser.parse_args()
    if given.ship and (given.kind != "logic" or given.small):
        parser.error("only the head for logic comes with leanebm, and not a small one")
    kind = small(KINDS[given.kind]) if given.small else KINDS[given.kind]
    folder = given.folder or Path("runs", f"{given.kind}-small" if given.small else given.kind)
    seeds = [int(seed) for seed in given.seeds.split(",")]
    experiment = Experiment(kind, folder, seeds, given.workers, given.rounds)
    print(experiment.run())
    if given.ship:
        experiment.ship()


if __name__ == "__main__":
    main()
