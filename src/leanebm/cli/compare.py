"""``leanebm compare``."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from leanebm.cli._echo import echo_json
from leanebm.cli._options import RUN, cost_option, numbers_option, options_of_runs
from leanebm.cli._running import name_options, with_options
from leanebm.cli._sections import new_before_any_work, overwrite_option

if TYPE_CHECKING:
    from rich.console import Console

    from leanebm.pipeline import Interval, RunComparison

_HEADING = 10
"""Characters of a heading that stand side by side, for the table to fit into 80 columns."""


@click.command()
@click.argument("baseline", type=RUN)
@click.argument("experiments", metavar="EXPERIMENT...", nargs=-1, required=True, type=RUN)
@cost_option
@numbers_option("--budgets", "Budgets to compare at.  [default: 1, 2, 4 … up to the runs' own]")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", callback=new_before_any_work,
    help="Write a page with curves.",
)  # fmt: skip
@overwrite_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def compare(
    *, baseline: Path, experiments: tuple[Path, ...], by: str, budgets: tuple[float, ...] | None, html: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Compare runs with a baseline, theorem by theorem.

    BASELINE is a run, and so is each EXPERIMENT: its folder, its trajectory, or one shard of it. They must agree in
    theorems, Lean, candidates and budget. For each budget it prints how many theorems each had proved, how many only
    one of them had, the exact two-sided McNemar test of that split, and the gain in percentage points with its 95 %
    interval, from resamples of theorems.
    """
    from leanebm.cli._console import ClearConsole
    from leanebm.pipeline import compare_runs, write_comparison_page
    from leanebm.trajectory import Cost

    name_options(options_of_runs("config."))
    found = [compare_runs(baseline, experiment, cost=Cost(by), budgets=budgets) for experiment in experiments]
    if as_json:
        echo_json([comparison.as_json() for comparison in found])
    else:
        console = ClearConsole()
        for number, comparison in enumerate(found):
            if number:
                console.print()
            print_comparison(console, comparison)
    if html is not None:
        write_comparison_page(html, found)


def print_comparison(console: Console, comparison: RunComparison, *, arms: bool = False) -> None:
    """Print which runs are compared, in what they differ, and the figures.

    Args:
        console: where.
        comparison: what.
        arms: whether the runs are arms of an evaluation, which have names.
    """
    from rich.text import Text

    before, after = comparison.baseline, comparison.experiment
    title = f"{after.name} beside {before.name}" if arms else f"{after} beside {before}"
    console.print(Text(title, style="bold"), soft_wrap=True)
    for difference in comparison.differences:
        console.print(Text(f"  {with_options(difference, options_of_runs('config.'))}", style="dim"), soft_wrap=True)
    print_figures(console, comparison, **({"baseline": before.name, "experiment": after.name} if arms else {}))


def print_figures(
    console: Console, comparison: RunComparison, *, baseline: str = "baseline", experiment: str = "experiment"
) -> None:
    """Print the figures of one comparison, with these words for the two runs."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)  # all of it fits into 80 columns
    counts = (baseline, experiment, f"{baseline} only", f"{experiment} only")
    for heading in (comparison.cost.noun, *counts, "p"):
        lines = "\n".join(wrap(heading, _HEADING))  # rich cuts long ones off
        table.add_column(lines, justify="right", no_wrap=True, vertical="bottom")
    table.add_column("gain in points", justify="right", no_wrap=True, vertical="bottom")
    for row in comparison.budgets:
        numbers = (row.baseline, row.experiment, row.only_baseline, row.only_experiment)
        table.add_row(f"{row.budget:g}", *map(str, numbers), _p(row.p), _points(row.gain))
    console.print(table)
    if uneven := [row for row in comparison.budgets if not row.is_even]:
        cut = "; ".join(f"{row.budget:g}: {row.cut_baseline} and {row.cut_experiment}" for row in uneven)
        console.print(
            Text(
                "counted as not proved, though a limit had ended their search before they had spent so many "
                f"{comparison.cost.noun} ({baseline} and {experiment}): {cut}"
            ),
            soft_wrap=True,
        )
    area = comparison.area
    console.print(
        Text(
            f"{comparison.theorems} theorems; area under the curve {area.value:+.3f} "
            f"(95 % interval {area.low:+.3f} to {area.high:+.3f})"
        ),
        soft_wrap=True,
    )
    if comparison.depths:
        proved = ", ".join(f"{row.label}: {row.baseline} and {row.experiment}" for row in comparison.depths)
        console.print(Text(f"proved, by tactics of the shortest proof: {proved}"), soft_wrap=True)
    if comparison.left_out:
        console.print(Text(f"left out, because a search broke: {', '.join(comparison.left_out)}"), soft_wrap=True)


def _points(gain: Interval) -> str:
    """Percentage points, with their 95 % interval."""
    value, low, high = (
        f"{points:+.1f}" if abs(points) < 99.95 else f"{points:+.0f}"
        for points in (100 * gain.value, 100 * gain.low, 100 * gain.high)
    )
    return f"{value} ({low}, {high})"


def _p(value: float) -> str:
    return f"{value:.2g}" if value == 0.0 or value >= 1e-99 else "<1e-99"
