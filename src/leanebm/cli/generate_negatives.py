"""``leanebm generate-negatives``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from leanebm._shown import one_line
from leanebm.cli._console import ClearConsole
from leanebm.cli._display import open_display
from leanebm.cli._echo import echo
from leanebm.cli._options import resume_anyway_option, run_options
from leanebm.cli._running import INTERRUPTED, Interrupted, run_to_end
from leanebm.cli.search import how_to_go_on
from leanebm.core import Evidence, TacticFate
from leanebm.data import ReplayOutcome, proofs_of, read_contrastive_set, read_tactic_pairs
from leanebm.errors import TrajectoryError
from leanebm.pipeline import (
    AUDIT_FACTOR,
    ContrastiveConfig,
    ContrastiveFolder,
    ContrastiveReport,
    ContrastiveRun,
    NegativeAudit,
    NegativesConfig,
    RunConfig,
)

_OUTCOMES = (
    (ReplayOutcome.VERIFIED, "replayed to the end, and certified"),
    (ReplayOutcome.REFUSED, "the statement or its header does not elaborate"),
    (ReplayOutcome.TACTIC_REJECTED, "Lean refused one of the proof's tactics"),
    (ReplayOutcome.TACTIC_TIMED_OUT, "one of the proof's tactics ran into a limit; --resume tries again"),
    (ReplayOutcome.UNFINISHED, "all tactics ran, and goals are left"),
    (ReplayOutcome.UNCERTIFIED, "no goal is left, and certification did not accept the proof"),
    (ReplayOutcome.INFRASTRUCTURE, "something broke, so nothing is known; --resume tries again"),
)

_FATES = (
    (TacticFate.KEPT, "led off the path: a negative"),
    (TacticFate.KNOWN, "the proof's own tactic"),
    (TacticFate.REJECTED, "Lean refused it"),
    (TacticFate.TIMED_OUT, "ran into a limit"),
    (TacticFate.FINISHED, "proves the goal at once"),
    (TacticFate.ON_PATH, "leads to a state of the proof"),
    (TacticFate.DUPLICATE, "leads to a negative that another tactic led to"),
    (TacticFate.CLOSED, "closers prove where it leads"),
    (TacticFate.PROVABLE, "a short search proves where it leads, or returns to the proof"),
    (TacticFate.SURPLUS, "not looked at: the step had negatives enough"),
)

_LISTED = 10

Word = TypeVar("Word", ReplayOutcome, TacticFate)


def print_contrastive_report(console: Console, report: ContrastiveReport, *, folder: Path) -> None:
    """Print how many groups and negatives there are, what was dropped, and how far labels can be trusted."""
    negatives, verified = sum(report.negatives.values()), report.outcomes[ReplayOutcome.VERIFIED]
    console.print()
    console.print(
        Text(
            f"{report.groups} groups with {negatives} negatives from {verified} verified proofs",
            style="bold",
        )
    )
    _print_counts(console, f"of {report.proofs} replayed proofs", report.outcomes, _OUTCOMES)
    _print_failures(console, report)
    _print_counts(console, f"of {sum(report.fates.values())} tactics proposed beside them", report.fates, _FATES)
    for line in _trust_lines(report):
        console.print(Text(line), soft_wrap=True)
    if report.audit is not None:
        console.print(Text(_audit_line(report.audit)), soft_wrap=True)
    console.print(Text(f"groups: {ContrastiveFolder(folder).groups}"), soft_wrap=True)
    console.print(Text(f"report: {ContrastiveFolder(folder).report}"), soft_wrap=True)


def _print_counts(
    console: Console, title: str, counts: Mapping[Word, int], meanings: Sequence[tuple[Word, str]]
) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right")
    for word, meaning in meanings:
        if counts.get(word):
            table.add_row(str(counts[word]), Text(word.value, style="bold"), Text(meaning, style="dim"))
    console.print(Text(title))
    console.print(table)


def _print_failures(console: Console, report: ContrastiveReport) -> None:
    for name, reason in list(report.failures.items())[:_LISTED]:
        console.print(Text(f"  {name}: {one_line(reason, 160)}"), soft_wrap=True)
    if len(report.failures) > _LISTED:
        console.print(Text(f"  … and {len(report.failures) - _LISTED} more in the report"))


def _trust_lines(report: ContrastiveReport) -> list[str]:
    evidence = (
        f"evidence: {report.negatives[Evidence.DEAD.value]} dead, {report.negatives[Evidence.UNKNOWN.value]} unknown; "
        f"{report.groups - report.groups_with_negatives} groups have no negative; "
        f"the policy proposed {report.proposed_steps} of {report.groups} steps itself"
    )
    tiers = (
        f"pairs by tier: {report.tiers.sibling:,} sibling, {report.tiers.same_theorem:,} same theorem, "
        f"{report.tiers.other_theorem:,} other theorem"
    )
    conflicts = (
        f"with both labels: {report.conflicts.conflicting_texts} of {report.conflicts.texts} texts "
        f"({report.conflicts.rate:.2%}), {report.conflicts.conflicting} of {report.conflicts.states} states by key"
    )
    cost = (
        f"cost: {report.tactic_calls:,} tactic calls, {report.wall_s:.1f} s (Lean {report.lean_s:.1f} s, policy "
        f"{report.policy_s:.1f} s, certification {report.certify_s:.1f} s), summed over theorems"
    )
    return [evidence, tiers, conflicts, cost]


def _audit_line(audit: NegativeAudit) -> str:
    low, high = audit.interval
    when = datetime.fromtimestamp(audit.ended_unix_s, UTC)
    lost = len(audit.audited) - audit.decided
    more = f"; {lost} lost to infrastructure" if lost else ""
    rate = "none was decided" if audit.rate is None else f"{audit.rate:.1%} (95 % interval {low:.1%} to {high:.1%})"
    return (
        f"false negatives: {audit.false} of {audit.decided} sampled were proved with {AUDIT_FACTOR} times the budget: "
        f"{rate}{more}; sampled from {audit.groups} groups on {when:%Y-%m-%d at %H:%M} UTC"
    )


_DEFAULTS = NegativesConfig()


def _names(_: click.Context, __: click.Parameter, text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


@click.command(name="generate-negatives")
@click.option(
    "--tactic-pairs",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Known proofs as JSON lines, one step per line; `export-pairs` writes such files.",
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
    help="Tactics tried on each negative; one that they prove is dropped.",
)
@click.option(
    "--probe-expansions",
    type=click.IntRange(min=0),
    default=_DEFAULTS.probe_expansions,
    show_default=True,
    metavar="N",
    help="Expansions of the search for a proof of each negative; one that is proved is dropped.",
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
    help="The round of expert iteration, as written into the groups.",
)
@click.option(
    "--audit",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Search for proofs of N negatives with five times the budget, to measure how many are false.",
)
@click.option("--max-theorems", type=click.IntRange(min=1), metavar="N", help="Take only the first N proofs.")
@click.option("--resume", is_flag=True, help="Go on with the run in the output folder.")
@resume_anyway_option
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
    resume_anyway: bool,
    config: RunConfig,
) -> None:
    """Make contrastive groups: replay known proofs, and run other tactics at each step.

    A proof counts only if its whole replay was verified: no goal left, and certified. At each of its steps
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
    console = ClearConsole()
    try:
        with open_display() as display:
            generation = ContrastiveRun(
                ContrastiveConfig(negatives=negatives, run=config),
                proofs,
                output,
                audit=audit,
                resume=resume,
                resume_anyway=resume_anyway,
                observer=display,
            )
            report = run_to_end(generation.run())
    except Interrupted:
        echo(_how_it_stopped(output, how_to_go_on(context, "--resume")), err=True)
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
