"""``leanebm demo``."""

from __future__ import annotations

import itertools
import os
import shlex
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leanebm.cli._echo import echo, end_progress
from leanebm.cli._running import run_to_end
from leanebm.cli._theorem_options import max_theorems_option
from leanebm.cli.search import run_search

if TYPE_CHECKING:
    from rich.console import Console

    from leanebm.core import Theorem
    from leanebm.pipeline import Evaluation, Observer, RunComparison, RunSummary

_RUNS = Path("runs")

_SETTINGS = {
    "lean.backend": "embedded",
    # A demonstration should end within minutes: no theorem may hold it up for long, and none may share a worker with
    # another while its seconds run.
    "concurrency": 2,
    "search.budget.max_wall_s": 15.0,
    "lean.tactic_timeout_s": 3.0,
    "lean.request_deadline_s": 10.0,
}

_ENERGY_SETTINGS = {
    "lean.backend": "embedded",
    "lean.tactic_timeout_s": 2.0,
    "search.candidates_per_state": 8,
}
"""What the shipped heads were trained and tuned with."""

# With these, most of the proofs would be one tactic long, and there would be no order to choose.
_SYMBOLIC_SETTINGS = {"without": ["grind", "omega", "simp_all", "decide", "simp"]}

_MODEL_SETTINGS = {"policy.prompt_format": "goal_digest", "policy.samples_per_candidate": 3}

_ENERGY_BUDGET = 16
_ENERGY_SAMPLE = 60

_ALPHA = 1.0
"""Of 0.5, 1 and 1.5, the exponent with which the search without a head proves most of the validation formulas."""


@click.command()
@max_theorems_option
@click.option("--budget", type=int, metavar="N", help="Expansions per theorem.  [default: 100; with --energy 16]")
@click.option(
    "--energy", is_flag=True, help="Search 60 other theorems twice, without an energy head and with the one that ships."
)
@click.option(
    "--model",
    is_flag=True,
    help="With --energy: the small language model that comes with leanebm proposes the tactics, and the head reads its "
    "embeddings.",
)
def demo(*, max_theorems: int | None, budget: int | None, energy: bool, model: bool) -> None:
    """Prove the bundled theorems with nothing but this package.

    Real Lean, as WebAssembly (downloaded and prepared the first time), real theorems, a symbolic policy
    behind a real HTTP server. A `leanebm search` over the bundled theorems, with limits that let it end
    within minutes.

    With --energy: does an energy head help? Formulas that it has not seen are searched without it and with it, side
    by side, with the same answers from Lean and the policy, and the two are compared theorem by theorem. This needs
    the extra `energy`; with --model, which takes twice as long, also `serve`.
    """
    if model and not energy:
        raise click.UsageError("--model goes with --energy")
    started_s = time.monotonic()
    if energy:
        _show_energy(max_theorems, budget, model=model)
    else:
        _prove_bundled(max_theorems, budget)
    echo(f"Everything together took {time.monotonic() - started_s:.0f} s.", err=True)


def _show_energy(max_theorems: int | None, budget: int | None, *, model: bool) -> None:
    """The same theorems twice, without a shipped energy head and with it."""
    from leanebm._extras import extra_needed
    from leanebm.cli._console import ClearConsole
    from leanebm.cli._display import open_display
    from leanebm.pipeline import load_theorems

    with extra_needed("energy", "demo --energy"):  # before Lean is started, say what is missing
        import leanebm.energy  # noqa: F401
    if model:
        with extra_needed("serve", "demo --energy --model"):
            import transformers  # noqa: F401
    expansions = _ENERGY_BUDGET if budget is None else budget
    theorems = load_theorems("logic:test", sample=_ENERGY_SAMPLE if max_theorems is None else max_theorems)
    policy, takes = ("small model", "two to four minutes") if model else ("policy", "one to three minutes")
    echo(
        f"Searching {len(theorems)} formulas twice with the embedded Lean, {expansions} expansions each: in the order "
        f"of the {policy} alone, and with the energy head that comes with leanebm. The head has not seen them. Both "
        f"searches get the same answers from Lean and the {policy}, so they differ in order alone.\n"
        "The first time, Lean is downloaded (121 MB) and prepared, which takes some minutes. Sixty formulas took "
        f"{takes} on two cores that had other work as well.",
        err=True,
    )
    with open_display() as display:
        found = run_to_end(_search_both(theorems, expansions, display, model=model))
    end_progress()
    _print_comparison(ClearConsole(), found.comparisons[0], theorems)


async def _search_both(theorems: Sequence[Theorem], expansions: int, observer: Observer, *, model: bool) -> Evaluation:
    """Search without a head and with it; ``model`` says by whose tactics."""
    from leanebm.pipeline import SHIPPED_HEAD, SHIPPED_MODEL_HEAD, EvaluationRun, Override, read_run_config

    settings = {**_ENERGY_SETTINGS, "search.budget.max_expansions": expansions}
    plain: dict[str, Any] = {"scorer": {"kind": "length_normalised", "alpha": _ALPHA}}
    head = {"energy.path": os.fspath(SHIPPED_MODEL_HEAD if model else SHIPPED_HEAD)}
    async with AsyncExitStack() as stack:
        if model:
            settings |= {**_MODEL_SETTINGS, "policy.url": await stack.enter_async_context(_serving_model())}
        else:
            settings |= _SYMBOLIC_SETTINGS
        arms = {
            name: read_run_config(None, [Override(path, value, "demo") for path, value in (settings | own).items()])
            for name, own in (("without", plain), ("with", head))
        }
        return await EvaluationRun(arms, theorems, _free_folder("demo-energy"), headroom=1, observer=observer).run()


@asynccontextmanager
async def _serving_model() -> AsyncIterator[str]:
    """Serve the small model that comes with leanebm; yields the server's URL."""
    from leanebm.serve import SHIPPED_POLICY, HfBackend, HfConfig, PolicyServer, ServeConfig

    backend = HfBackend(HfConfig(model=os.fspath(SHIPPED_POLICY), device="cpu", seed=0))
    async with PolicyServer(ServeConfig(), backend) as server:
        yield server.url


def _print_comparison(console: Console, found: RunComparison, theorems: Sequence[Theorem]) -> None:
    """Print the comparison, which theorems only one of the searches proved, and what it says."""
    from leanebm.cli._report import print_some
    from leanebm.cli.compare import print_figures

    print_figures(console, found, baseline="without", experiment="with")
    statements = {theorem.name: theorem.display for theorem in theorems}
    for how, names in (("with", found.only_experiment), ("without", found.only_baseline)):
        console.print(f"\nproved only {how} the head: {len(names)}")
        print_some(console, [statements[name] for name in names])
    last = found.budgets[-1]
    console.print(
        f"\nof {found.theorems} theorems, within {last.budget:g} expansions: {last.baseline} proved without the energy "
        f"head, {last.experiment} with it; {last.only_experiment} only with it, {last.only_baseline} only without it; "
        f"p = {last.p:.2g} (exact McNemar test, two-sided)",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )


def _prove_bundled(max_theorems: int | None, budget: int | None) -> None:
    """The bundled theorems, once."""
    from leanebm.pipeline import BUNDLED, Override, RunFolder, load_theorems, read_run_config, summarise_run

    overrides = [Override(path, value, "demo") for path, value in _SETTINGS.items()]
    if budget is not None:
        overrides.append(Override("search.budget.max_expansions", budget, "--budget"))
    config = read_run_config(None, overrides)
    theorems = load_theorems(BUNDLED, max_theorems=max_theorems)
    output = _free_folder("demo")
    echo(
        f"Proving {len(theorems)} bundled theorems with the embedded Lean. The first time, Lean is downloaded "
        "(121 MB) and prepared, which takes some minutes; after that it starts in seconds.\n"
        f"{config.concurrency} are searched at a time, none for longer than {config.search.budget.max_wall_s:g} s. "
        "A hundred take about five minutes on two cores.",
        err=True,
    )
    settings = RunFolder(output).config
    again = ["leanebm", "search", "--config", str(settings), "--output", str(output), "--resume"]
    again += ["--max-theorems", str(max_theorems)] if max_theorems is not None else []
    run_search(config, theorems, output, resume=False, how_to_resume=shlex.join(again))
    echo(_by_level(summarise_run(output)))


def _by_level(summary: RunSummary) -> str:
    """How many theorems of each level of difficulty were proved."""
    from leanebm.core import SearchOutcome
    from leanebm.data import Level, bundled_set

    levels = {entry.theorem.name: entry.level for entry in bundled_set()}
    attempted = Counter(levels[record.theorem.name] for record in summary.records)
    proved = Counter(levels[record.theorem.name] for record in summary.ended(SearchOutcome.PROVED))
    shares = [f"{level} {proved[level]} of {attempted[level]}" for level in Level if attempted[level]]
    return f"by level: {', '.join(shares)}"


def _free_folder(name: str) -> Path:
    """A folder for this demo that no earlier one has used."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(folder for name in names if not (folder := _RUNS / name).exists())
