"""``leanebm tune``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from leanebm._shown import counted
from leanebm.cli._echo import echo, echo_json
from leanebm.cli._engine_options import engine_options
from leanebm.cli._options import dry_run_option, json_option, numbers_option, refuse_json, run_options, show_plan, tell
from leanebm.cli._running import run_to_end, saying_when_stopped, typed_command
from leanebm.cli._sections import SectionedCommand, output_option
from leanebm.cli._theorem_options import max_theorems_option, sample_option, theorems_option

if TYPE_CHECKING:
    from leanebm.data import FileReading
    from leanebm.pipeline import Engine, RunConfig, TunedArm


@click.command(cls=SectionedCommand)
@theorems_option()
@output_option("Where the runs and tuned.toml go.")
@max_theorems_option
@sample_option
@numbers_option("--alphas", "Exponents of the path's length to try.  [default: 0,0.5,1,1.5]")
@numbers_option("--betas", "Weights of the energy to try, with --ebm-path.  [default: 0.25,0.5,0.75,1,1.5]")
@click.option("--resume", is_flag=True, help="Go on with the tuning in the output folder.")
@dry_run_option
@engine_options(shares=False)
@json_option
@run_options(many=True, without=("--scorer", "--beta"))
@click.pass_context
def tune(
    context: click.Context,
    *,
    theorems: str,
    reading: FileReading,
    output: Path,
    max_theorems: int | None,
    sample: int | None,
    alphas: tuple[float, ...] | None,
    betas: tuple[float, ...] | None,
    resume: bool,
    dry_run: bool,
    engine: Engine,
    as_json: bool,
    config: RunConfig,
) -> None:
    """Choose how much length and energy count, by what is proved.

    Searches validation theorems with every choice, all with the same answers from Lean and the policy. Writes the
    settings of the best to OUTPUT/tuned.toml, and its weights into the header of the head, if there is one: from then
    on searches with the head use them, unless others are given. The best has the largest area under the curve of
    theorems proved, over the logarithm of the budget, from a quarter of the budget to all of it. Report no result on
    these theorems: the choice was made on them.
    """
    from leanebm.cli._display import open_display
    from leanebm.pipeline import ALPHAS, BETAS, TuningRun, fit_imports, load_theorems

    if betas is not None and config.energy.path is None:
        raise click.UsageError("--betas are weights of an energy head: name one with --ebm-path, or leave them out")
    refuse_json(dry_run=dry_run, as_json=as_json)
    config = fit_imports(config, theorems)
    chosen = load_theorems(
        theorems, max_theorems=max_theorems, sample=sample, reading=reading, imports=config.lean.imports, tell=tell
    )
    kept = f"\nStopped. What is searched is kept.\nGo on with:  {typed_command(context, '--resume')}"
    with saying_when_stopped(lambda: kept), open_display() as display:
        run = TuningRun(
            config,
            chosen,
            output,
            alphas=alphas or ALPHAS,
            betas=betas or BETAS,
            resume=resume,
            observer=display,
            engine=engine,
        )
        if dry_run:
            run.check()
            count = f"{counted(len(chosen), 'theorem')} with {counted(len(run.names), 'choice')} of weights"
            show_plan(f"would search {count} into {output}, with these settings:", config)
            return
        found = run_to_end(run.run())
    if as_json:
        arms = [_as_json(arm) for arm in found.arms]
        head = None if found.head is None else str(found.head)
        echo_json({"arms": arms, "best": found.best.name, "settings": str(found.settings), "head": head})
        return
    for arm in found.arms:
        mark = "  best" if arm is found.best else ""
        echo(f"{arm.name:<20} proved {arm.proved:>5}   area {arm.area:.3f}{mark}")
    echo(f"settings: {found.settings}")
    if found.head is not None:
        echo(f"written into {found.head}: alpha {found.best.alpha:g}, beta {found.best.beta or 0.0:g}")


def _as_json(arm: TunedArm) -> dict[str, object]:
    return {"name": arm.name, "alpha": arm.alpha, "beta": arm.beta, "proved": arm.proved, "area": arm.area}
