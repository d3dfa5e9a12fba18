"""Prints what a run of ``generate-negatives`` found."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from leanebm._shown import counted, one_line
from leanebm.cli._report import print_counts, print_some
from leanebm.core import Evidence, TacticFate
from leanebm.data import ReplayOutcome
from leanebm.pipeline import AUDIT_FACTOR, ContrastiveFolder, ContrastiveReport, NegativeAudit

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


def print_contrastive_report(console: Console, report: ContrastiveReport, *, folder: Path) -> None:
    """Print how many groups and negatives there are, what was dropped, and how far labels can be trusted."""
    negatives, verified = sum(report.negatives.values()), report.outcomes[ReplayOutcome.VERIFIED]
    console.print(
        Text(
            f"{report.groups} groups with {negatives} negatives from {verified} verified proofs",
            style="bold",
        )
    )
    console.print(Text(f"of {report.proofs} replayed proofs"))
    print_counts(console, report.outcomes, _OUTCOMES)
    failures = [f"{name}: {one_line(reason, 160)}" for name, reason in report.failures.items()]
    print_some(console, failures, rest=" in the report")
    console.print(Text(f"of {sum(report.fates.values())} tactics proposed beside them"))
    print_counts(console, report.fates, _FATES)
    for line in _trust_lines(report):
        console.print(Text(line), soft_wrap=True)
    if report.audit is not None:
        console.print(Text(_audit_line(report.audit)), soft_wrap=True)
    console.print(Text(f"groups: {ContrastiveFolder(folder).groups}"), soft_wrap=True)
    console.print(Text(f"report: {ContrastiveFolder(folder).report}"), soft_wrap=True)


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
        f"cost: {counted(report.tactic_calls, 'tactic call')}, {report.wall_s:.1f} s (Lean {report.lean_s:.1f} s, "
        f"policy {report.policy_s:.1f} s, certification {report.certify_s:.1f} s), summed over theorems"
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
