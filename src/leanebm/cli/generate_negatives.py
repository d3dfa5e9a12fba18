"""``leanebm generate-negatives``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leanebm.cli._echo import end_progress
from leanebm.cli._engine_options import engine_options
from leanebm.cli._options import resume_anyway_option, run_options, tell
from leanebm.cli._running import run_to_end, saying_when_stopped, typed_command
from leanebm.cli._sections import SectionedCommand, count_option, output_option, seconds_option
from leanebm.errors import ConfigError

if TYPE_CHECKING:
    from leanebm.pipeline import Engine, RunConfig


def _names(_: click.Context, __: click.Parameter, text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


@click.command(name="generate-negatives", cls=SectionedCommand)
@click.option(
    "--tactic-pairs",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Known proofs, one step per row: as `export` writes them, or as others publish pairs (LeanDojo's "
    "traced_tactics; state and tactic).",
)
@output_option("Where the groups, the settings and the report go.")
@count_option("--min-steps", 2, "Leave shorter proofs out.")
@count_option("--candidates-per-step", 16, "Tactics to ask the policy for at each step.")
@count_option("--target-negatives", 8, "Negatives after which a step is done.")
@click.option(
    "--closers",
    metavar="A,B",
    default="rfl,decide,contradiction,omega,simp,simp_all,grind",
    show_default=True,
    callback=_names,
    help="Tactics tried on each negative; one that they prove is dropped.",
)
@count_option(
    "--probe-expansions",
    16,
    "Expansions of the search for a proof of each negative; one that is proved is dropped.",
    least=0,
)
@count_option("--probe-candidates", 16, "Tactics to ask the policy for at each of these expansions.")
@seconds_option("--probe-wall-s", 60.0, "Seconds that one such search may take.")
@count_option("--round", 0, "The round of expert iteration, as written into the groups.", least=0)
@count_option(
    "--audit", 0, "Search for proofs of N negatives with five times the budget, to measure how many are false.", least=0
)
@click.option("--max-theorems", type=click.IntRange(min=1), metavar="N", help="Take only the first N proofs.")
@click.option("--resume", is_flag=True, help="Go on with the run in the output folder.")
@resume_anyway_option
@engine_options()
@run_options(many=True)
@click.pass_context
def generate_negatives(
    context: click.Context,
    /,
    *,
    tactic_pairs: Path,
    output: Path,
    audit: int,
    max_theorems: int | None,
    resume: bool,
    resume_anyway: bool,
    engine: Engine,
    config: RunConfig,
    **negatives: Any,
) -> None:
    """Make contrastive groups: replay known proofs, and run other tactics at each step.

    A proof counts only if its whole replay was verified: no goal left, and certified. At each of its steps
    the policy's tactics are run; an open state that they lead to is a negative, unless it is on the path or is
    proved by closers or by the policy's own tactics. Stop it with Ctrl-C at any time and go on with --resume.
    """
    from leanebm.cli._console import ClearConsole
    from leanebm.cli._display import open_display
    from leanebm.cli._negatives_report import print_contrastive_report
    from leanebm.data import proofs_of, read_tactic_pairs
    from leanebm.pipeline import ContrastiveConfig, ContrastiveRun, NegativesConfig

    proofs = proofs_of(read_tactic_pairs(tactic_pairs, tell=tell))[:max_theorems]
    console = ClearConsole()
    how_to_resume = typed_command(context, "--resume")
    with saying_when_stopped(lambda: _how_it_stopped(output, how_to_resume)), open_display() as display:
        generation = ContrastiveRun(
            ContrastiveConfig(negatives=NegativesConfig(**negatives), run=config),
            proofs,
            output,
            audit=audit,
            resume=resume,
            resume_anyway=resume_anyway,
            observer=display,
            engine=engine,
        )
        report = run_to_end(generation.run())
    end_progress()
    print_contrastive_report(console, report, folder=output)


def _how_it_stopped(output: Path, how_to_resume: str) -> str:
    from leanebm.data import read_contrastive_set
    from leanebm.pipeline import ContrastiveFolder

    folder = ContrastiveFolder(output)
    if not folder.config.exists():
        return "\nStopped before replaying began; run the same command again."
    try:
        records = read_contrastive_set(folder.groups).records
    except ConfigError:  # nothing is written yet
        records = ()
    kept = f"{len(records)} proofs replayed, {sum(record.num_groups for record in records)} groups"
    return f"\nStopped. Kept: {kept}.\nGo on with:  {how_to_resume}"
