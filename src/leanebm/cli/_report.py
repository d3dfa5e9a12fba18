"""Prints what a run found."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from leanebm._shown import counted
from leanebm.cli._options import options_of_runs
from leanebm.cli._running import with_options
from leanebm.core import SearchOutcome
from leanebm.trajectory import Cost

if TYPE_CHECKING:
    from leanebm.pipeline import RunSummary
    from leanebm.trajectory import TheoremRecord

W = TypeVar("W", bound=StrEnum)

Curve = Sequence[tuple[float, int]]
"""Budgets, and how many theorems are proved within each."""

_ENDINGS = (
    (SearchOutcome.PROVED, "certified by Lean's kernel in a process that ran no search"),
    (SearchOutcome.BUDGET_SPENT, "a limit ended the search; a larger --budget may help"),
    (SearchOutcome.EXHAUSTED, "everything the policy proposed was tried"),
    (SearchOutcome.REJECTED, "a proof was found, and certification did not accept it"),
    (SearchOutcome.INFRASTRUCTURE, "something broke, so nothing is known; --resume tries again"),
)

_LISTED = 10


def print_summary(
    console: Console, summary: RunSummary, *, folder: Path | None = None, cost: Cost = Cost.EXPANSIONS
) -> None:
    """Print how many theorems ended how, what it cost, and where the proofs are."""
    curve, families = summary.curve_by(cost), summary.by_family(cost)  # or nothing is printed
    totals = summary.totals
    console.print(Text(f"{totals.proved} of {totals.attempted} theorems proved and certified", style="bold"))
    counts = {outcome: len(summary.ended(outcome)) for outcome, _ in _ENDINGS}
    print_counts(console, counts, _ENDINGS, always=(SearchOutcome.PROVED,))
    for outcome in (SearchOutcome.INFRASTRUCTURE, SearchOutcome.REJECTED):
        print_some(console, [f"{record.theorem.name}: {_reason(record)}" for record in summary.ended(outcome)])
    console.print(
        Text(
            f"{counted(totals.nodes, 'node')}, {counted(totals.expansions, 'expansion')}, "
            f"{counted(totals.tactic_calls, 'tactic call')} in "
            f"{totals.wall_s:.1f} s of search (Lean {totals.lean_s:.1f} s, "
            f"policy {totals.policy_s:.1f} s{_waited(totals.policy_wait_s)}, "
            f"scores {totals.score_s:.1f} s, certification {totals.certify_s:.1f} s), summed over theorems"
        ),
        soft_wrap=True,
    )
    if summary.others:
        searches = len(summary.records) + len(summary.others)
        console.print(Text(f"{searches:,} searches; a theorem counts as proved if one of its searches proved it"))
    if summary.seconds:
        times = ", ".join(f"{seconds:.1f} (p{percent})" for percent, seconds in summary.seconds.items())
        console.print(Text(f"seconds per theorem: {times}"), soft_wrap=True)
    _print_curve(console, summary, curve, cost)
    _print_families(console, families)
    if summary.resumed_despite:
        console.print(
            Text("These results are of unlike runs, pooled by --resume-anyway. A later run had:", style="bold")
        )
        for difference in summary.resumed_despite:
            console.print(Text(f"  - {with_options(difference, options_of_runs('config.'))}"), soft_wrap=True)
    if folder is not None:
        console.print(Text(f"proofs:       {folder / 'proofs'}"), soft_wrap=True)
        console.print(Text(f"search trees: {summary.path}"), soft_wrap=True)


def print_counts(
    console: Console, counts: Mapping[W, int], meanings: Sequence[tuple[W, str]], *, always: Sequence[W] = ()
) -> None:
    """Print how many there are of each word that there is any of, with what it means."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right")
    for word, meaning in meanings:
        if counts.get(word) or word in always:
            table.add_row(str(counts[word]), Text(word.value, style="bold"), Text(meaning, style="dim"))
    console.print(table)


def print_some(console: Console, lines: Sequence[str], *, rest: str = "") -> None:
    """Print the first few of ``lines``, and how many more there are; ``rest`` says where."""
    for line in lines[:_LISTED]:
        console.print(Text(f"  {line}"), soft_wrap=True)
    if len(lines) > _LISTED:
        console.print(Text(f"  … and {len(lines) - _LISTED} more{rest}"))


def _print_curve(console: Console, summary: RunSummary, curve: Curve, cost: Cost) -> None:
    """How many theorems smaller budgets would have proved, and how deep the proofs are."""
    lengths = summary.proof_lengths
    if not lengths:
        return
    if curve:
        points = ", ".join(f"{budget:g}: {proved}" for budget, proved in curve)
        console.print(Text(f"proved within so many {cost.noun}: {points}"), soft_wrap=True)
    tactics = f"{statistics.median(lengths):g} in the median, {lengths[-1]} at most"
    console.print(
        Text(f"tactics per proof: {tactics}; {lengths.count(1)} of {len(lengths)} are one tactic"), soft_wrap=True
    )


def _print_families(console: Console, families: Mapping[str, tuple[int, Curve]]) -> None:
    """What smaller budgets would have proved, by family of conjectures."""
    if not families:
        return
    _, first = next(iter(families.values()))
    table = Table(box=None)
    table.add_column("family", no_wrap=True)
    for heading in ("of", *(f"at {budget:g}" for budget, _ in first)):
        table.add_column(heading, justify="right", no_wrap=True)
    for family, (attempted, curve) in families.items():
        table.add_row(family, str(attempted), *(str(proved) for _, proved in curve))
    console.print(table)


def _reason(record: TheoremRecord) -> str:
    """Why a search proved nothing; a message of certification that many proofs share is printed once."""
    messages = Counter(rejection.message for rejection in record.rejections)
    told = (f"{message} ({count} proofs)" if count > 1 else message for message, count in messages.items())
    return record.error or "; ".join(told)


def _waited(seconds: float) -> str:
    return f" of which {seconds:.1f} s in a queue" if seconds >= 0.05 else ""
