"""Prints what a set of contrastive groups holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from leanebm.cli.display import one_line
from leanebm.pipeline import AUDIT_FACTOR, ContrastiveFolder, ContrastiveReport, NegativeAudit

__all__ = ["print_contrastive_report"]

_OUTCOMES = (
    ("verified", "replayed to the end, and certified"),
    ("refused", "the statement or its header does not elaborate"),
    ("tactic_rejected", "Lean refused one of the proof's tactics"),
    ("tactic_timed_out", "one of the proof's tactics ran into a limit; --resume tries again"),
    ("unfinished", "all tactics ran, and goals are left"),
    ("uncertified", "no goal is left, and certification did not accept the proof"),
    ("infrastructure", "something broke, so nothing is known; --resume tries again"),
)
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
_LISTED = 10


def print_contrastive_report(console: Console, report: ContrastiveReport, *, folder: Path) -> None:
    """Print how many groups and negatives there are, what was dropped, and how far labels can be trusted."""
    negatives = sum(report.negatives.values())
    console.print()
    console.print(
        Text(
            f"{report.groups} groups with {negatives} negatives from {report.outcomes['verified']} verified proofs",
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
    console: Console, title: str, counts: Mapping[str, int], meanings: tuple[tuple[str, str], ...]
) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right")
    for word, meaning in meanings:
        if counts[word]:
            table.add_row(str(counts[word]), Text(word, style="bold"), Text(meaning, style="dim"))
    console.print(Text(title))
    console.print(table)


def _print_failures(console: Console, report: ContrastiveReport) -> None:
    for name, reason in list(report.failures.items())[:_LISTED]:
        console.print(Text(f"  {name}: {one_line((reason,), 160)}"), soft_wrap=True)
    if len(report.failures) > _LISTED:
        console.print(Text(f"  … and {len(report.failures) - _LISTED} more in the report"))


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
