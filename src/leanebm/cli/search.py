"""``leanebm search``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leanebm._shown import counted
from leanebm.cli._echo import echo, end_progress
from leanebm.cli._engine_options import engine_options
from leanebm.cli._options import dry_run_option, resume_anyway_option, run_options, show_plan, tell
from leanebm.cli._running import BROKEN, run_to_end, saying_when_stopped, typed_command
from leanebm.cli._sections import SectionedCommand, output_option
from leanebm.cli._tape import Tape, tape_options
from leanebm.cli._theorem_options import max_theorems_option, sample_option, theorems_option
from leanebm.errors import ConfigError

if TYPE_CHECKING:
    from leanebm.core import Theorem
    from leanebm.data import FileReading
    from leanebm.pipeline import Engine, RunConfig


@click.command(cls=SectionedCommand)
@theorems_option()
@output_option("Where the search trees, the proofs and the settings go.")
@max_theorems_option
@sample_option
@click.option("--resume", is_flag=True, help="Go on with the run in the output folder.")
@resume_anyway_option
@dry_run_option
@engine_options()
@tape_options
@run_options(many=True)
@click.pass_context
def search(
    context: click.Context,
    *,
    theorems: str,
    reading: FileReading,
    output: Path,
    max_theorems: int | None,
    sample: int | None,
    resume: bool,
    resume_anyway: bool,
    dry_run: bool,
    engine: Engine,
    tape: Tape,
    config: RunConfig,
) -> None:
    """Search for proofs of many theorems.

    Writes every search tree, right and wrong turns, to OUTPUT/trajectory, and every certified proof to
    OUTPUT/proofs. Stop it with Ctrl-C at any time and go on with --resume. The exit status is 0 once all were tried,
    also where Lean refused some statements, which are listed at the end; it is 2 if Lean refused every one.
    """
    from leanebm.pipeline import SearchRun, fit_imports, load_theorems, taped

    if tape.record is not None and (resume or resume_anyway):
        raise click.UsageError("a recording begins with the run: leave out --resume, or --record")
    if tape.record is not None and engine.shares_folder:
        raise click.UsageError("a recording is of one process: leave out --engine, or --record")
    is_given = context.get_parameter_source("theorems") is not click.core.ParameterSource.DEFAULT
    if tape.cassette is not None and not is_given and sample is None:
        chosen = tape.cassette.theorems[:max_theorems]
    else:
        config = fit_imports(config, theorems)
        chosen = load_theorems(
            theorems, max_theorems=max_theorems, sample=sample, reading=reading, imports=config.lean.imports, tell=tell
        )
    if dry_run:
        tape.check(config)
        more: dict[str, Any] = {} if tape.cassette is None else {"opening": taped(tape.cassette)}
        SearchRun(config, chosen, output, resume=resume, resume_anyway=resume_anyway, engine=engine, **more).check()
        show_plan(_plan(chosen, output), config)
        return
    with tape.opening(config, chosen) as more:
        run_search(
            config,
            chosen,
            output,
            resume=resume,
            resume_anyway=resume_anyway,
            engine=engine,
            how_to_resume=typed_command(context, "--resume"),
            **more,
        )


def run_search(
    config: RunConfig,
    theorems: Sequence[Theorem],
    output: Path,
    *,
    resume: bool,
    resume_anyway: bool = False,
    how_to_resume: str,
    **more: Any,
) -> None:
    """Search, showing what happens; then print the summary.

    Ends the program if the user stops it, or if something broke in every search, so that nothing is known. What
    :class:`SearchRun` takes besides may be given, too.
    """
    from rich.text import Text

    from leanebm.cli._console import ClearConsole
    from leanebm.cli._display import open_display
    from leanebm.cli._report import print_some, print_summary
    from leanebm.core import SearchOutcome
    from leanebm.pipeline import SearchRun

    console = ClearConsole()
    with saying_when_stopped(lambda: _how_it_stopped(output, len(theorems), how_to_resume)), open_display() as display:
        run = SearchRun(config, theorems, output, resume=resume, resume_anyway=resume_anyway, observer=display, **more)
        summary = run_to_end(run.run())
    end_progress()
    print_summary(console, summary, folder=output)
    if run.refusals:
        console.print(Text(f"not searched: {len(run.refusals)} of {len(theorems)}, whose statements Lean refused:"))
        print_some(console, run.refusals, rest="; `leanebm check-theorems` tells all")
    lost = summary.ended(SearchOutcome.INFRASTRUCTURE)
    if lost and len(lost) == len(summary.records):
        echo(f"leanebm: something broke in every search, first this: {lost[0].error}", err=True)
        raise click.exceptions.Exit(BROKEN)


def _how_it_stopped(output: Path, total: int, how_to_resume: str) -> str:
    from leanebm.pipeline import RunFolder, summarise_run

    if not RunFolder(output).config.exists():
        return "\nStopped before searching began; run the same command again."
    try:
        totals = summarise_run(output).totals
    except ConfigError:  # nothing is written yet
        kept = f"nothing yet of {total} theorems"
    else:
        kept = f"{totals.attempted} of {total} theorems searched, {totals.proved} proved"
    return f"\nStopped. Kept: {kept}.\nGo on with:  {how_to_resume}"


def _plan(theorems: Sequence[Theorem], output: Path) -> str:
    first = "\n".join(f"  {theorem.name}: {theorem.display}" for theorem in theorems[:5])
    more = f"\n  … and {len(theorems) - 5} more" if len(theorems) > 5 else ""
    return f"would search {counted(len(theorems), 'theorem')} into {output}:\n{first}{more}\nwith these settings:"
