"""``leanebm iterate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from leanebm._extras import extra_needed
from leanebm._shown import counted
from leanebm.cli._echo import echo, echo_json
from leanebm.cli._engine_options import engine_options
from leanebm.cli._options import refuse_json, show_plan
from leanebm.cli._running import run_to_end, saying_when_stopped, typed_command
from leanebm.cli._sections import output_option

if TYPE_CHECKING:
    from rich.console import Console

    from leanebm.pipeline import Engine, IterationSummary
    from leanebm.pipeline.iteration.config import IterationTheorems


@click.command()
@click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
@output_option("Where every round's searches, negatives, heads and figures go.")
@click.option("--resume", is_flag=True, help="Go on with the iteration in the output folder.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Start nothing: make each part once, say what would be done, and print the settings. Neither Lean nor a "
    "server is asked.",
)
@click.option(
    "--join",
    is_flag=True,
    help="With --engine shards, only help the iteration that another process runs in the output folder: take part in "
    "its searches and replays, and wait while there are none.",
)
@engine_options(shares=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress goes to standard error.")
@click.pass_context
def iterate(
    context: click.Context,
    *,
    config: Path,
    output: Path,
    resume: bool,
    dry_run: bool,
    join: bool,
    engine: Engine,
    as_json: bool,
) -> None:
    """Learn from proofs, round by round, as the TOML file CONFIG says.

    Each round searches the training theorems that are left, trains an energy head from scratch on what all rounds
    found, and keeps it unless it is worse on validation theorems. A second arm, the control, makes as many attempts
    and learns nothing. OUTPUT gets manifest.json, a page of curves, and a folder per stage. Stop it at any time, also
    by force; with --resume it goes on and ends the same.
    """
    from leanebm.cli._console import ClearConsole
    from leanebm.cli._display import open_display
    from leanebm.pipeline.iteration.page import PAGE_NAME

    with extra_needed("energy", "an iteration"):
        from leanebm.pipeline.iteration.config import IterationSettings
        from leanebm.pipeline.iteration.iteration_run import IterationRun, refuse_engine
    refuse_json(dry_run=dry_run, as_json=as_json)
    if join and resume:
        raise click.UsageError("--resume is for the process that iterates, which this one joins: leave it out")
    refuse_engine(engine, joins=join)
    settings = IterationSettings.read(config)
    theorems = settings.theorems.load(settings.run.lean.imports)
    if dry_run:
        IterationRun(settings, theorems, output, resume=resume, engine=engine, joins=join).check()
        show_plan(f"{_plan(theorems, settings.rounds)} into {output}, with these settings:", settings)
        return
    again = typed_command(context, None if join else "--resume")
    kept = f"\nStopped. What is done is kept.\nGo on with:  {again}"
    with saying_when_stopped(lambda: kept), open_display() as display:
        run = IterationRun(settings, theorems, output, resume=resume, observer=display, engine=engine, joins=join)
        found = run_to_end(run.run())
    if as_json:
        echo_json(found.as_json())
        return
    print_iteration(ClearConsole(), found)
    echo(f"curves: {output / PAGE_NAME}")


def _plan(theorems: IterationTheorems, rounds: int) -> str:
    sizes = ", ".join(f"{len(getattr(theorems, name))} {name}" for name in ("train", "validation", "test"))
    return f"would go through {counted(rounds, 'round')} with {sizes} theorems"


def print_iteration(console: Console, summary: IterationSummary) -> None:
    """Print what each arm did in each round."""
    from rich.table import Table
    from rich.text import Text

    from leanebm.pipeline import iteration_table

    headings, rows = iteration_table(summary)
    table = Table(box=None, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "arm" else "right", no_wrap=True)
    for cells in rows:
        table.add_row(*cells)
    console.print(table)
    console.print(Text(f"once, ever: {summary.judged_on} theorems proved by one search, and in any round so far"))
    for note in summary.notes:
        console.print(Text(note), soft_wrap=True)
