"""``leanebm eval``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leanebm._shown import counted
from leanebm.cli._echo import echo_json, end_progress
from leanebm.cli._engine_options import engine_options
from leanebm.cli._options import (
    arm_options,
    cost_option,
    dry_run_option,
    json_option,
    numbers_option,
    refuse_json,
    show_plan,
    tell,
)
from leanebm.cli._running import run_to_end, saying_when_stopped, typed_command
from leanebm.cli._sections import SectionedCommand, count_option, output_option
from leanebm.cli._theorem_options import max_theorems_option, sample_option, theorems_option
from leanebm.cli.compare import print_comparison

if TYPE_CHECKING:
    from leanebm.data import FileReading
    from leanebm.pipeline import Engine, Evaluation, RunConfig


@click.command(cls=SectionedCommand)
@theorems_option()
@output_option("Where the arms' runs go, and the answers that they share.")
@max_theorems_option
@sample_option
@count_option(
    "--headroom",
    4,
    "Search the baseline with K times the budget first, to see what there is to gain; 1 skips that.",
    metavar="K",
)
@count_option(
    "--pass-n",
    1,
    "Search each theorem N times, with other samples of the policy; it is proved if one of them proves it.",
)
@cost_option
@numbers_option("--budgets", "Budgets to compare the arms at.  [default: 1, 2, 4 … up to the arms' own]")
@click.option("--resume", is_flag=True, help="Go on with the evaluation in the output folder.")
@dry_run_option
@engine_options()
@json_option
@arm_options
@click.pass_context
def eval(  # noqa: A001 - the command's name
    context: click.Context,
    *,
    theorems: str,
    reading: FileReading,
    output: Path,
    max_theorems: int | None,
    sample: int | None,
    headroom: int,
    pass_n: int,
    by: str,
    budgets: tuple[float, ...] | None,
    resume: bool,
    dry_run: bool,
    engine: Engine,
    as_json: bool,
    arms: Mapping[str, RunConfig],
) -> None:
    """Try several ways to guide a search on the same theorems, with the same answers.

    Each --arm NAME=OPTIONS is a search with these options on top of the others; the first one is the baseline.
    Arms may differ in what orders the search: --scorer, --ebm-path, --beta, --search, --energy-model. Lean and the
    policy answer each question once, so a further arm costs little, and differs in order alone. Each arm is a run
    of its own, in OUTPUT/arms/NAME. What --dry-run prints for --config are the baseline's settings.
    """
    from leanebm.cli._console import ClearConsole
    from leanebm.cli._display import open_display
    from leanebm.pipeline import EvaluationRun, fit_imports, load_theorems
    from leanebm.trajectory import Cost

    for option in ("by", "budgets"):
        if len(arms) == 1 and context.get_parameter_source(option) is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"--{option} is for comparing arms: add another --arm, or leave it out")
    refuse_json(dry_run=dry_run, as_json=as_json)
    configs = {name: fit_imports(config, theorems) for name, config in arms.items()}
    imports = next(iter(configs.values())).lean.imports
    chosen = load_theorems(
        theorems, max_theorems=max_theorems, sample=sample, reading=reading, imports=imports, tell=tell
    )
    kept = f"\nStopped. What is searched is kept.\nGo on with:  {typed_command(context, '--resume')}"
    with saying_when_stopped(lambda: kept), open_display() as display:
        run = EvaluationRun(
            configs,
            chosen,
            output,
            headroom=headroom,
            pass_n=pass_n,
            cost=Cost(by),
            budgets=budgets,
            resume=resume,
            observer=display,
            engine=engine,
        )
        if dry_run:
            run.check()
            show_plan(_plan(configs, len(chosen), output), next(iter(configs.values())))
            return
        found = run_to_end(run.run())
    if as_json:
        echo_json(_as_json(found))
        return
    console = ClearConsole()
    end_progress()
    for comparison in found.comparisons:
        print_comparison(console, comparison, arms=True)
        console.print()
    for line in _lines(found):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    if len(arms) > 1 and not found.comparisons:
        console.print("not compared: when all shares are done, --resume without --engine and --shard compares the arms")


def _plan(configs: Mapping[str, RunConfig], theorems: int, output: Path) -> str:
    from leanebm.pipeline import unstructure_settings
    from leanebm.storage import settings_leaves

    (first, baseline), *others = (
        (name, dict(settings_leaves("", unstructure_settings(config)))) for name, config in configs.items()
    )
    count = f"{counted(theorems, 'theorem')} with {counted(len(configs), 'arm')}"
    lines = [f"would search {count} into {output}, with these settings of {first}:"]
    for name, leaves in others:
        own = [f"{path[1:]} = {value}" for path, value in leaves.items() if baseline.get(path) != value]
        lines.append(f"  {name}: {', '.join(own) or 'the same'}")
    return "\n".join(lines)


def _lines(found: Evaluation) -> list[str]:
    proved = ", ".join(f"{name} {summary.totals.proved}" for name, summary in found.summaries.items())
    lines = [f"proved: {proved}; of {max(summary.totals.attempted for summary in found.summaries.values())}"]
    if found.headroom is not None:
        lines.append(f"headroom: {found.headroom.sentence}")
    if found.tactics_asked or found.tactics_remembered:  # on a cluster, its nodes know
        lines.append(
            f"tactics: Lean ran {found.tactics_asked:,}, and {found.tactics_remembered:,} answers were there already"
        )
    lines.append(f"runs: {found.folder / 'arms'}")
    return lines


def _as_json(found: Evaluation) -> dict[str, object]:
    import attrs

    return {
        "arms": {name: summary.as_json() for name, summary in found.summaries.items()},
        "comparisons": [comparison.as_json() for comparison in found.comparisons],
        "headroom": None
        if found.headroom is None
        else attrs.asdict(found.headroom) | {"points": found.headroom.points},
        "tactics_asked": found.tactics_asked,
        "tactics_remembered": found.tactics_remembered,
    }
