"""``leanebm demo``."""

from __future__ import annotations

import itertools
import shlex
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leanebm.cli._echo import echo
from leanebm.cli._options import max_theorems_option
from leanebm.cli.search import run_search

if TYPE_CHECKING:
    from leanebm.pipeline import RunSummary

_RUNS = Path("runs")

_SETTINGS = {
    "lean.backend": "embedded",
    # A demonstration should end within minutes: no theorem may hold it up for long.
    "search.budget.max_wall_s": 20.0,
    "lean.tactic_timeout_s": 3.0,
    "lean.request_deadline_s": 10.0,
}


@click.command()
@max_theorems_option
@click.option("--budget", type=int, metavar="N", help="Expansions per theorem.  [default: 100]")
def demo(*, max_theorems: int | None, budget: int | None) -> None:
    """Prove the bundled theorems with nothing but this package.

    Real Lean, as WebAssembly (downloaded and prepared the first time), real theorems, a symbolic policy
    behind a real HTTP server. A `leanebm search` over the bundled theorems, with limits that let it end
    within minutes.
    """
    from leanebm.pipeline import BUNDLED, Override, RunFolder, load_theorems, read_run_config, summarise_run

    started_s = time.monotonic()
    overrides = [Override(path, value, "demo") for path, value in _SETTINGS.items()]
    if budget is not None:
        overrides.append(Override("search.budget.max_expansions", budget, "--budget"))
    config = read_run_config(None, overrides)
    theorems = load_theorems(BUNDLED, max_theorems=max_theorems)
    output = _free_folder()
    echo(
        f"Proving {len(theorems)} bundled theorems with the embedded Lean. The first time, Lean is downloaded "
        "(121 MB) and prepared, which takes a minute or two; after that it starts in seconds.\n"
        f"{config.concurrency} are searched at a time, none for longer than {config.search.budget.max_wall_s:g} s. "
        "A hundred took about four minutes on two cores, download included.",
        err=True,
    )
    settings = RunFolder(output).config
    again = ["leanebm", "search", "--config", str(settings), "--output", str(output), "--resume"]
    again += ["--max-theorems", str(max_theorems)] if max_theorems is not None else []
    run_search(config, theorems, output, resume=False, how_to_resume=shlex.join(again))
    echo(_by_level(summarise_run(output)))
    echo(f"Everything together took {time.monotonic() - started_s:.0f} s.", err=True)


def _by_level(summary: RunSummary) -> str:
    """How many theorems of each level of difficulty were proved."""
    from leanebm.core import SearchOutcome
    from leanebm.data import Level, bundled_set

    levels = {entry.theorem.name: entry.level for entry in bundled_set()}
    attempted = Counter(levels[record.theorem.name] for record in summary.records)
    proved = Counter(levels[record.theorem.name] for record in summary.ended(SearchOutcome.PROVED))
    shares = [f"{level} {proved[level]} of {attempted[level]}" for level in Level if attempted[level]]
    return f"by level: {', '.join(shares)}"


def _free_folder() -> Path:
    """A folder for this demo that no earlier one has used."""
    names = itertools.chain(["demo"], (f"demo-{number}" for number in itertools.count(2)))
    return next(folder for name in names if not (folder := _RUNS / name).exists())
