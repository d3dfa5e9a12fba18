"""``leanebm generate-negatives``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leanebm._shown import counted, one_line
from leanebm.cli._echo import end_progress
from leanebm.cli._engine_options import engine_options
from leanebm.cli._options import dry_run_option, resume_anyway_option, run_options, show_plan, tell
from leanebm.cli._running import run_to_end, saying_when_stopped, typed_command
from leanebm.cli._sections import SectionedCommand, count_option, output_option, seconds_option
from leanebm.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from leanebm.pipeline import ContrastiveReport, Engine, NegativeAudit, RunConfig


_OUTCOMES = (
    ("verified", "replayed to the end, and certified"),
    ("refused", "the statement or its header does not elaborate"),
    ("tactic_rejected", "Lean refused one of the proof's tactics"),
    ("tactic_timed_out", "one of the proof's tactics ran into a limit; --resume tries again"),
    ("unfinished", "all tactics ran, and goals are left"),
    ("uncertified", "no goal is left, and certification did not accept the proof"),
    ("infrastructure", "something broke, so nothing is known; --resume tries again"),
)
"""How replays end, as :class:`~leanebm.data.ReplayOutcome` has it; to import that would load what reads Parquet."""

_FATES = (
    ("kept", "led off the path: a negative"),
    ("known", "the proof's own tactic"),
    ("rejected", "Lean refused it"),
    ("timed_out", "ran into a limit"),
    ("finished", "proves the goal at once"),
    ("on_path", "leads to a state of the proof"),
    ("duplicate", "leads to a negative that another tactic led to"),
    ("closed", "closers prove where it leads"),
    ("provable", "a short search proves where it leads, or returns to the proof"),
    ("surplus", "not looked at: the step had negatives enough"),
)
"""What becomes of a tactic, as :class:`~leanebm.core.TacticFate` has it."""


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
@dry_run_option
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
    dry_run: bool,
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
        if dry_run:
            generation.check()
            count, sought = counted(len(proofs), "known proof"), NegativesConfig(**negatives)
            show_plan(f"would replay {count} into {output}, for {sought}, with these settings:", config)
            return
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


def print_contrastive_report(console: Console, report: ContrastiveReport, *, folder: Path) -> None:
    """Print how many groups and negatives there are, what was dropped, and how far labels can be trusted."""
    from rich.text import Text

    from leanebm.cli._report import print_counts, print_some
    from leanebm.core import TacticFate
    from leanebm.data import ReplayOutcome
    from leanebm.pipeline import ContrastiveFolder

    negatives, verified = sum(report.negatives.values()), report.outcomes[ReplayOutcome.VERIFIED]
    console.print(
        Text(
            f"{report.groups} groups with {negatives} negatives from {verified} verified proofs",
            style="bold",
        )
    )
    console.print(Text(f"of {report.proofs} replayed proofs"))
    print_counts(console, report.outcomes, [(ReplayOutcome(word), meaning) for word, meaning in _OUTCOMES])
    failures = [f"{name}: {one_line(reason, 160)}" for name, reason in report.failures.items()]
    print_some(console, failures, rest=" in the report")
    console.print(Text(f"of {sum(report.fates.values())} tactics proposed beside them"))
    print_counts(console, report.fates, [(TacticFate(word), meaning) for word, meaning in _FATES])
    for line in _trust_lines(report):
        console.print(Text(line), soft_wrap=True)
    if report.audit is not None:
        console.print(Text(_audit_line(report.audit)), soft_wrap=True)
    console.print(Text(f"groups: {ContrastiveFolder(folder).groups}"), soft_wrap=True)
    console.print(Text(f"report: {ContrastiveFolder(folder).report}"), soft_wrap=True)


def _trust_lines(report: ContrastiveReport) -> list[str]:
    evidence = (
        f"evidence: {report.negatives['dead']} dead, {report.negatives['unknown']} unknown; "
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
        f"cost: {counted(report.tactic_calls, 'tactic call')}, {report.wall_s:.1f} s (Lean {report.lean_s:.1f} s, "
        f"policy {report.policy_s:.1f} s, certification {report.certify_s:.1f} s), summed over theorems"
    )
    return [evidence, tiers, conflicts, cost]


def _audit_line(audit: NegativeAudit) -> str:
    from leanebm.pipeline import AUDIT_FACTOR

    low, high = audit.interval
    when = datetime.fromtimestamp(audit.ended_unix_s, UTC)
    lost = len(audit.audited) - audit.decided
    more = f"; {lost} lost to infrastructure" if lost else ""
    rate = "none was decided" if audit.rate is None else f"{audit.rate:.1%} (95 % interval {low:.1%} to {high:.1%})"
    return (
        f"false negatives: {audit.false} of {audit.decided} sampled were proved with {AUDIT_FACTOR} times the budget: "
        f"{rate}{more}; sampled from {audit.groups} groups on {when:%Y-%m-%d at %H:%M} UTC"
    )
