"""``leanebm generate-negatives``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from leanebm.cli.contrastive_summary import print_contrastive_report
from leanebm.cli.display import display_on
from leanebm.cli.options import run_options
from leanebm.cli.running import INTERRUPTED, Interrupted, run_to_end
from leanebm.cli.search import how_to_go_on
from leanebm.data import proofs_of, read_contrastive_set, read_tactic_pairs
from leanebm.errors import TrajectoryError
from leanebm.pipeline import ContrastiveFolder, GenerateNegatives, GenerationConfig, NegativesConfig, RunConfig

__all__ = ["generate_negatives"]

_DEFAULTS = NegativesConfig()


def _names(_: click.Context, __: click.Parameter, text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


@click.command(name="generate-negatives")
@click.option(
    "--tactic-pairs",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Known proofs as JSON lines, a step each; `export-pairs` writes such files.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where the groups, the settings and the report go.",
)
@click.option(
    "--min-steps",
    type=click.IntRange(min=1),
    default=_DEFAULTS.min_steps,
    show_default=True,
    metavar="N",
    help="Leave shorter proofs out.",
)
@click.option(
    "--candidates-per-step",
    type=click.IntRange(min=1),
    default=_DEFAULTS.candidates_per_step,
    show_default=True,
    metavar="N",
    help="Tactics to ask the policy for at each step.",
)
@click.option(
    "--target-negatives",
    type=click.IntRange(min=1),
    default=_DEFAULTS.target_negatives,
    show_default=True,
    metavar="N",
    help="Negatives after which a step is done.",
)
@click.option(
    "--closers",
    metavar="A,B",
    default=",".join(_DEFAULTS.closers),
    show_default=True,
    callback=_names,
    help="Tactics that may prove a negative, which is then none.",
)
@click.option(
    "--probe-expansions",
    type=click.IntRange(min=0),
    default=_DEFAULTS.probe_expansions,
    show_default=True,
    metavar="N",
    help="Expansions of the search for a proof of each negative; one that is proved is none.",
)
@click.option(
    "--probe-candidates",
    type=click.IntRange(min=1),
    default=_DEFAULTS.probe_candidates,
    show_default=True,
    metavar="N",
    help="Tactics to ask the policy for at each of these expansions.",
)
@click.option(
    "--probe-wall-s",
    type=click.FloatRange(min=0.0, min_open=True),
    default=_DEFAULTS.probe_wall_s,
    show_default=True,
    metavar="S",
    help="Seconds that one such search may take.",
)
@click.option(
    "--round",
    "round_",
    type=click.IntRange(min=0),
    default=_DEFAULTS.round,
    show_default=True,
    metavar="N",
    help="Of expert iteration; written into the groups.",
)
@click.option(
    "--audit",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Search for proofs of N negatives, with five times the budget, to see how many are false.",
)
@click.option("--max-theorems", type=click.IntRange(min=1), metavar="N", help="Take only the first N proofs.")
@click.option("--resume", is_flag=True, help="Go on with the run in the output folder.")
@run_options(many=True)
@click.pass_context
def generate_negatives(
    context: click.Context,
    *,
    tactic_pairs: Path,
    output: Path,
    min_steps: int,
    candidates_per_step: int,
    target_negatives: int,
    closers: tuple[str, ...],
    probe_expansions: int,
    probe_candidates: int,
    probe_wall_s: float,
    round_: int,
    audit: int,
    max_theorems: int | None,
    resume: bool,
    config: RunConfig,
) -> None:
    """Make contrastive groups: replay known proofs, and look beside each step for states off the path.

    A proof counts only if its whole replay was verified: no goal left, and certified. Beside each of its steps
    the policy's tactics are run; an open state that they lead to is a negative, unless it is on the path or is
    proved by closers or by the policy's own tactics. Stop it with Ctrl-C at any time and go on with --resume.
    """
    negatives = NegativesConfig(
        min_steps=min_steps,
        candidates_per_step=candidates_per_step,
        target_negatives=target_negatives,
        closers=closers,
        probe_expansions=probe_expansions,
        probe_candidates=probe_candidates,
        probe_wall_s=probe_wall_s,
        round=round_,
    )
    proofs = proofs_of(read_tactic_pairs(tactic_pairs))[:max_theorems]
    console = Console(highlight=False)
    try:
        with display_on(console) as display:
            generation = GenerateNegatives(
                GenerationConfig(negatives=negatives, run=config),
                proofs,
                output,
                audit=audit,
                resume=resume,
                observer=display,
            )
            report = run_to_end(generation.run())
    except Interrupted:
        click.echo(_how_it_stopped(output, how_to_go_on(context, "--resume")))
        raise click.exceptions.Exit(INTERRUPTED) from None
    print_contrastive_report(console, report, folder=output)


def _how_it_stopped(output: Path, how_to_resume: str) -> str:
    folder = ContrastiveFolder(output)
    if not folder.config.exists():
        return "\nStopped before replaying began; run the same command again."
    try:
        records = read_contrastive_set(folder.groups).records
    except TrajectoryError:  # nothing is written yet
        records = ()
    kept = f"{len(records)} proofs replayed, {sum(record.num_groups for record in records)} groups"
    return f"\nStopped. Kept: {kept}.\nGo on with:  {how_to_resume}"
