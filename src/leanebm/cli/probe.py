"""``leanebm probe``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from leanebm.cli._echo import echo_json
from leanebm.cli._options import json_option, lean_options, tell
from leanebm.cli._running import run_to_end
from leanebm.cli._sections import SectionedCommand
from leanebm.cli._theorem_options import max_theorems_option, theorems_option

if TYPE_CHECKING:
    from rich.console import Console

    from leanebm.data import FileReading
    from leanebm.pipeline import ProbeResult, RunConfig

_TACTICS = ("rfl", "decide", "simp", "simp_all", "omega", "grind")
"""As :data:`~leanebm.pipeline.AUTOMATION` has them; to import it would load what runs Lean."""


@click.command(cls=SectionedCommand)
@theorems_option()
@max_theorems_option
@click.option(
    "--tactic",
    "tactics",
    multiple=True,
    metavar="T",
    default=_TACTICS,
    help=f"Tactic to try; repeatable.  [default: {', '.join(_TACTICS)}]",
)
@json_option
@lean_options(many=True)
def probe(
    *,
    theorems: str,
    reading: FileReading,
    max_theorems: int | None,
    tactics: tuple[str, ...],
    as_json: bool,
    config: RunConfig,
) -> None:
    """Say which theorems fall to a single automation tactic.

    Each tactic is tried by itself, on the theorem as it stands and after `intros`. What is left needs a
    search. Nothing is certified here.
    """
    from leanebm.cli._console import ClearConsole
    from leanebm.cli._display import open_display
    from leanebm.pipeline import ProbeRun, fit_imports, load_theorems

    config = fit_imports(config, theorems)
    chosen = load_theorems(theorems, max_theorems=max_theorems, reading=reading, imports=config.lean.imports, tell=tell)
    with open_display() as display:
        results = run_to_end(ProbeRun(config, chosen, tactics=tactics, observer=display).run())
    if as_json:
        echo_json(_as_json(results, tactics))
    else:
        _print(ClearConsole(), results, tactics)


def _print(console: Console, results: tuple[ProbeResult, ...], tactics: tuple[str, ...]) -> None:
    from rich.table import Table

    table = Table(box=None)
    table.add_column("theorem", overflow="fold")
    for tactic in tactics:
        table.add_column(tactic, justify="center")
    for result in results:
        marks = ["+" if tactic in result.closed_by else "" for tactic in tactics]
        table.add_row(result.theorem.name, *(["?"] * len(tactics) if result.error else marks))
    counts = _counts(results)
    table.add_section()
    table.add_row(f"of {len(results)}", *(str(counts[tactic]) for tactic in tactics))
    console.print(table)
    console.print(f"\n{sum(result.needs_search for result in results)} of {len(results)} need a search")
    for result in results:
        if result.error:
            console.print(f"{result.theorem.name}: {result.error}", markup=False, soft_wrap=True)


def _counts(results: tuple[ProbeResult, ...]) -> Counter[str]:
    return Counter(tactic for result in results for tactic in result.closed_by)


def _as_json(results: tuple[ProbeResult, ...], tactics: tuple[str, ...]) -> dict[str, object]:
    counts = _counts(results)
    return {
        "attempted": len(results),
        "needs_search": sum(result.needs_search for result in results),
        "closed": {tactic: counts[tactic] for tactic in tactics},
        "theorems": [
            {"name": result.theorem.name, "closed_by": result.closed_by, "error": result.error} for result in results
        ],
    }
