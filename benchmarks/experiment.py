"""Does an energy head prove more? One experiment from statements to figures, for one kind of theorems.

    python benchmarks/experiment.py --kind logic|equations|rearranging [--folder runs/KIND] [--seeds 0,1,2] [--small]

The symbolic policy, without its automation, searches training statements; heads learn from the search trees, and so do
*rulers*, which see eight counts of a state in place of its embedding. The exponent of the length and the weight of the
energy are chosen by what is proved of the validation statements, the weight with the first seed of each sort of head.
Then the tuned search without a head is compared with those that have one, and with one in which each goal costs
something, on statements that no choice was made on.
Every stage is a command that a user would type, all arms share their answers, and a stage that was run to its end is
left out: started again, the experiment goes on where it was stopped. ``--small`` is the same in minutes, with too few
theorems to show anything. The figures are printed, and written to FOLDER/report.md.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean

import attrs

from leanebm.data.conjectures import SHIPPED_LOGIC, read_conjecture_file
from leanebm.energy import EnergyCheckpoint, TunedWeights, amend_header, load_checkpoint, load_header, save_checkpoint
from leanebm.pipeline import SHIPPED_HEAD, BudgetComparison, compare_runs, summarise_run
from leanebm.trajectory import AnytimeCurve

ALPHAS = (0.5, 1.0, 1.5, 2.0)
BETAS = (0.75, 1.5, 4.0)
GOAL_PRICES = (0.1, 0.3, 1.0)
"""Off the score for each goal of a state: what a search can know of it without learning."""

DEFAULT_ALPHA = 0.5
HEADS: Mapping[str, tuple[str, ...]] = {"head": ("--hidden", "256,128"), "ruler": ("--counts",)}
"""What is trained: on embeddings, and on eight counts of a state, which the first one has to beat."""


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

    steps: tuple[str, ...] = ()
    """Options of ``train-ebm`` that make it short."""

    shipped: Path | None = None
    """The set that comes with leanebm, which the commands must make anew."""


LOGIC = Kind(
    statements=(
        *("--number", "2080", "--unseen", "160", "--difficulty", "4"),
        *("--family", "propositional", "--family", "first_order", "--family", "existence", "--hold-out", "existence"),
    ),
    without="grind,omega,simp_all,decide,simp",
    tactic_timeout_s=2.0,
    train=(650, 24),
    budget=16,
    shipped=SHIPPED_LOGIC,
)
EQUATIONS = Kind(
    statements=(
        *("--number", "2000", "--unseen", "0", "--family", "rewriting"),
        *("--difficulty", "3", "--difficulty", "4"),
    ),
    without="grind,omega,simp_all,decide,simp,have,specialize,apply,cases,congr,ext,funext,exfalso,unfold,refine",
    tactic_timeout_s=10.0,
    train=(300, 16),
    budget=16,
    candidates=12,
    samples={"val": 140},
)
REARRANGING = attrs.evolve(
    EQUATIONS,
    statements=(
        *("--number", "1600", "--unseen", "0", "--family", "rearranging"),
        *("--difficulty", "3", "--difficulty", "4"),
    ),
    train=(300, 24),
    samples={},
)
KINDS = {"logic": LOGIC, "equations": EQUATIONS, "rearranging": REARRANGING}


def small(kind: Kind) -> Kind:
    """The same with so few theorems that it takes minutes."""
    number = kind.statements.index("--number") + 1
    return attrs.evolve(
        kind,
        statements=(*kind.statements[:number], "150", *kind.statements[number + 1 :]),
        train=(16, 8),
        budget=8,
        samples={"val": 8, "test": 8},
        headroom=4,
        steps=("--steps", "50"),
        shipped=None,
    )


@attrs.frozen
class Weights:
    """α and β of an arm, or its price per goal in place of β, and what they proved of the validation statements."""

    alpha: float
    beta: float | None
    area: float
    proved: int
    theorems: int


def policy_alone(alpha: float) -> tuple[str, ...]:
    """Options of a search without a head."""
    return "--scorer", f"length_normalised:alpha={alpha:g}"


def with_head(folder: Path, alpha: float, beta: float) -> tuple[str, ...]:
    """Options of a search with one."""
    return "--ebm-path", str(folder), *policy_alone(alpha), "--beta", f"{beta:g}"


def with_goal_price(alpha: float, price: float) -> tuple[str, ...]:
    """Options of a search without a head in which each goal costs something."""
    policy = f'{{scorer={{kind="length_normalised",alpha={alpha!r}}}}}'
    return "--scorer", f'weighted_sum:terms=[{policy},{{scorer="goal_count",weight={price!r}}}]'


class Experiment:
    """The stages, each with a marker file."""

    def __init__(self, kind: Kind, folder: Path, seeds: Sequence[int], workers: int) -> None:
        self.kind = kind
        self.folder = folder
        self.heads = {f"{sort}{seed}": (seed, sort) for sort in HEADS for seed in seeds}
        self.first_seeds = [f"{sort}{seeds[0]}" for sort in HEADS]
        self.statements = folder / "statements.parquet"
        self.settings = folder / "settings.toml"
        self.search = (
            *("--config", str(self.settings), "--without", kind.without, "--candidates", str(kind.candidates)),
            *("--num-workers", str(workers), "--concurrency", str(3 * workers)),
        )

    def run(self) -> str:
        """All stages that have not been run; returns the report."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings.write_text(
            f'[lean]\nbackend = "embedded"\ntactic_timeout_s = {self.kind.tactic_timeout_s}\n', encoding="utf-8"
        )
        self.make_statements()
        number, budget = self.kind.train
        train = ("--split", "train", "--sample", str(number), "--budget", str(budget), *policy_alone(1.0))
        self.searching("train", "search", *train)
        alone = {f"policy-{alpha:g}": policy_alone(alpha) for alpha in ALPHAS}
        self.evaluating("val", alone)
        for name, (seed, sort) in self.heads.items():
            self.train(name, seed, HEADS[sort])
        alpha = self.choose("policy").alpha
        guided = {
            f"{name}-{alpha:g}-{beta:g}": with_head(self.folder / name, alpha, beta)
            for name in self.first_seeds
            for beta in BETAS
        }
        priced = {f"goals-{alpha:g}-{price:g}": with_goal_price(alpha, price) for price in GOAL_PRICES}
        self.evaluating("val", alone | guided | priced, stage="weights")
        chosen = {name: self.choose(name) for name in ("policy", "goals", *self.first_seeds)}
        for name, (_, sort) in self.heads.items():
            chosen[name] = next(chosen[first] for first in self.first_seeds if first.startswith(sort))
            self.write_weights(self.folder / name, chosen[name])
        self.evaluating("test", self.arms(chosen), stage="test")
        self.measure_headroom(chosen["policy"])
        report = "\n".join(self.report(chosen))
        (self.folder / "report.md").write_text(f"{report}\n", encoding="utf-8")
        return report

    def make_statements(self) -> None:
        """Draw them; a set that comes with leanebm must come out the same."""
        made = ("--output", self.statements, "--per-skeleton", "1", "--keep-all", *self.kind.statements)
        self.stage("statements", "conjecture", *made)
        shipped = self.kind.shipped
        if shipped and read_conjecture_file(self.statements).conjectures != read_conjecture_file(shipped).conjectures:
            sys.exit(f"{self.statements} and {shipped} differ: the factory makes other statements than it did")

    def train(self, name: str, seed: int, options: Sequence[str]) -> None:
        """Train a head on the search trees of the training statements, and judge it on the validation ones'."""
        sources = (
            self.folder / "train",
            *("--val", self.folder / "val" / "arms" / "policy-1"),
        )
        more = ("--seed", seed, "--threads", 1, "--output-dir", self.folder / name, *options, *self.kind.steps)
        self.stage(name, "train-ebm", *sources, *more)

    def choose(self, name: str) -> Weights:
        """The best weights of a head, or of the policy alone, by the area under the curve of validation solves.

        As ``leanebm tune`` does; but here all heads share the answers of one evaluation.
        """
        found = []
        for folder in sorted((self.folder / "val" / "arms").glob(f"{name}-*")):
            alpha, *beta = map(float, folder.name.split("-")[1:])
            summary = summarise_run(folder)
            areas = AnytimeCurve.of(summary.records).areas(1.0, float(self.kind.budget)).values()
            found.append(Weights(alpha, beta[0] if beta else None, mean(areas), summary.totals.proved, len(areas)))
        return max(found, key=lambda weights: weights.area)

    def write_weights(self, head: Path, best: Weights) -> None:
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
            choices=len(BETAS),
            proved=best.proved,
            proved_without=self.choose("policy").proved,
        )
        amend_header(head, tuned=tuned)

    def arms(self, chosen: Mapping[str, Weights]) -> dict[str, tuple[str, ...]]:
        """What is compared on test statements; the first is the baseline."""
        arms = {"policy": policy_alone(chosen["policy"].alpha), "default": policy_alone(DEFAULT_ALPHA)}
        arms["goals"] = with_goal_price(chosen["goals"].alpha, chosen["goals"].beta or 0.0)
        arms["shortest"] = ("--scorer", "shortest_state")
        for name in self.heads:
            weights = chosen[name]
            arms[name] = with_head(self.folder / name, weights.alpha, weights.beta or 0.0)
        first = next(iter(self.heads))
        twin = chosen[first]
        return arms | {"twin": with_head(self.folder / first / "twin", twin.alpha, twin.beta or 0.0)}

    def measure_headroom(self, policy: Weights) -> None:
        """What four times the budget proves, on some of the test statements."""
        arm = ("--arm", f"policy={shlex.join(policy_alone(policy.alpha))}")
        few = ("--split", "test", "--sample", str(self.kind.headroom), "--budget", str(self.kind.budget))
        self.searching("headroom", "eval", *few, "--headroom", "4", *arm)

    def evaluating(self, split: str, arms: Mapping[str, Sequence[str]], *, stage: str | None = None) -> None:
        """Search a split with every arm."""
        named = [word for name, options in arms.items() for word in ("--arm", f"{name}={shlex.join(options)}")]
        sample = ("--sample", str(self.kind.samples[split])) if split in self.kind.samples else ()
        options = ("--split", split, *sample, "--budget", str(self.kind.budget), "--headroom", "1")
        self.searching(stage or split, "eval", *options, *named, output=split)

    def searching(self, stage: str, command: str, *options: str, output: str | None = None) -> None:
        """A command that searches statements, into a folder of its own."""
        folder = self.folder / (output or stage)
        resume = ["--resume"] if folder.exists() else []
        self.stage(stage, command, "--theorems", self.statements, "--output", folder, *self.search, *options, *resume)

    def stage(self, name: str, command: str, *options: object) -> None:
        """Run a command unless it has been run to its end."""
        done = self.folder / f".{name}.done"
        if done.exists():
            return
        typed = [sys.executable, "-m", "leanebm", command, *map(str, options)]
        print(f"\n$ leanebm {shlex.join(typed[3:])}", flush=True)
        subprocess.run(typed, check=True)
        done.touch()

    def report(self, chosen: Mapping[str, Weights]) -> Iterator[str]:
        """Markdown: weights, curves, and paired comparisons."""
        arms = self.folder / "test" / "arms"
        yield from self._weights(chosen)
        budgets = [row.budget for row in compare_runs(arms / "policy", arms / "default").budgets]
        yield from _head_of("arm", [f"{budget:g}" for budget in budgets])
        for name in self.arms(chosen):
            curve = AnytimeCurve.of(summarise_run(arms / name).records)
            yield _row(name, [curve.proved_within(budget) for budget in budgets])
        yield ""
        yield from _head_of(f"pair, of {len(curve.spent)}", [f"{budget:g}" for budget in budgets[2:]])
        names = list(self.heads)
        seeds = len(names) // len(HEADS)
        pairs = [("policy", name) for name in names]
        pairs += list(zip(names[seeds:], names[:seeds], strict=True))
        pairs += [("policy", "goals"), ("goals", names[0])]
        pairs += [("policy", "twin"), ("default", "policy"), ("policy", "shortest"), ("shortest", names[0])]
        for before, after in pairs:
            found = compare_runs(arms / before, arms / after)
            yield _row(f"{after} against {before}", map(_compared, found.budgets[2:]))

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

    def ship(self) -> None:
        """Put the first head where the package has its own, with a word on how it was made."""
        found = load_checkpoint(self.folder / next(iter(self.heads)))
        made = {**found.header.training, "made_by": "python benchmarks/experiment.py --kind logic"}
        header = attrs.evolve(found.header, training=made | {"trained_on": "logic:train"})
        shutil.rmtree(SHIPPED_HEAD, ignore_errors=True)
        save_checkpoint(SHIPPED_HEAD, EnergyCheckpoint(header=header, head=found.head))


def _head_of(first: str, columns: Sequence[str]) -> Iterator[str]:
    yield _row(first, columns)
    yield _row("---", ["---"] * len(columns))


def _row(first: str, cells: Iterator[object] | Sequence[object]) -> str:
    return f"| {' | '.join([first, *map(str, cells)])} |"


def _compared(row: BudgetComparison) -> str:
    gain = row.gain
    return (
        f"+{row.only_experiment} −{row.only_baseline}, p = {row.p:.2g}, "
        f"{100 * gain.value:+.1f} ({100 * gain.low:.1f} to {100 * gain.high:.1f})"
    )


def main() -> None:
    """Run what has not been run, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=KINDS, default="equations")
    parser.add_argument("--folder", type=Path, help="what is made, for this kind and size alone  [default: runs/KIND]")
    parser.add_argument("--seeds", default="0,1,2", help="of the heads, with commas between them")
    parser.add_argument("--workers", type=int, default=2, help="Lean processes")
    parser.add_argument("--small", action="store_true", help="a few theorems, in minutes")
    parser.add_argument("--ship", action="store_true", help="make the first head the one that comes with leanebm")
    given = parser.parse_args()
    if given.ship and (given.kind != "logic" or given.small):
        parser.error("only the head for logic comes with leanebm, and not a small one")
    kind = small(KINDS[given.kind]) if given.small else KINDS[given.kind]
    folder = given.folder or Path("runs", f"{given.kind}-small" if given.small else given.kind)
    experiment = Experiment(kind, folder, [int(seed) for seed in given.seeds.split(",")], given.workers)
    print(experiment.run())
    if given.ship:
        experiment.ship()


if __name__ == "__main__":
    main()
