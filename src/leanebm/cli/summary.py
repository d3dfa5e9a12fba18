"""``leanebm summary``."""

from __future__ import annotations

from pathlib import Path

import click

from leanebm.cli._echo import echo_json
from leanebm.cli._options import RUN, cost_option


@click.command()
@click.argument("run", type=RUN)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@cost_option
def summary(*, run: Path, as_json: bool, by: str) -> None:
    """Say what a run found and what it cost.

    RUN is a run's folder, its trajectory, or one shard of it; or an iteration's folder.
    """
    from leanebm.cli._console import ClearConsole
    from leanebm.cli._report import print_summary
    from leanebm.cli.iterate import print_iteration
    from leanebm.pipeline import is_iteration, summarise_iteration, summarise_run
    from leanebm.trajectory import Cost

    if is_iteration(run):
        rounds = summarise_iteration(run)
        if as_json:
            echo_json(rounds.as_json())
        else:
            print_iteration(ClearConsole(), rounds)
        return
    found, cost = summarise_run(run), Cost(by)
    if as_json:
        echo_json(found.as_json(cost))
    else:
        print_summary(ClearConsole(), found, cost=cost)
