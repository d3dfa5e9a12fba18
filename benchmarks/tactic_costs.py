"""Where Lean's time went in a run: by kind of tactic, and what a limit of time per tactic would have spared.

    python benchmarks/tactic_costs.py RUN [LIMIT_S …]

A limit spares what tactics took beyond it, and loses those that succeeded later than that: a proof with one of them is
counted as lost, though another may be there.
"""

from __future__ import annotations

import math
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator

from leanebm.core import SearchOutcome, TacticFate
from leanebm.trajectory import Attempt, TrajectoryRow, read_trajectory

LIMITS_S = (0.1, 0.2, 0.5, 1.0, 2.0)
FAILURES = {TacticFate.REJECTED, TacticFate.TIMED_OUT}
KINDS = 6


def kind_of(tactic: str) -> str:
    """Its first word, and what follows on every goal that it leaves."""
    first, *rest = (re.split(r"\W", part.strip(), maxsplit=1)[0] for part in tactic.split("<;>"))
    return " <;> ".join([first, *rest])


def by_kind(attempts: Iterable[Attempt]) -> Iterator[str]:
    """A row for each of the kinds that took most: shares of all seconds, of its own, and of all again.

    The last is what a limit for each kind would spare that loses no success: failures beyond the longest of these.
    """
    fails: defaultdict[str, list[float]] = defaultdict(list)
    succeeds: defaultdict[str, list[float]] = defaultdict(list)
    for attempt in attempts:
        (fails if attempt.kind in FAILURES else succeeds)[kind_of(attempt.tactic)].append(attempt.elapsed_s)
    spent = {kind: sum(fails[kind]) + sum(succeeds[kind]) for kind in {*fails, *succeeds}}
    whole = sum(spent.values())
    yield f"{whole:.0f} s for tactics, {sum(map(sum, fails.values())) / whole:.0%} of it for those that fail\n"
    yield "| tactic | of the time | of it, fails | failures beyond the longest success |\n| --- | --- | --- | --- |"
    for kind in sorted(spent, key=lambda kind: -spent[kind])[:KINDS]:
        longest = max(succeeds[kind], default=math.inf)
        beyond = sum(max(seconds - longest, 0.0) for seconds in fails[kind]) / whole
        yield f"| `{kind}` | {spent[kind] / whole:.0%} | {sum(fails[kind]) / spent[kind]:.0%} | {beyond:.0%} |"


def slowest_on_the_way(rows: Iterable[TrajectoryRow]) -> dict[str, float]:
    """By theorem that was proved, the seconds of the slowest tactic of its proof."""
    slowest: dict[str, float] = {}
    for row in rows:
        if row.outcome is SearchOutcome.PROVED and row.on_proof_path:
            ending = [each.elapsed_s for each in row.attempts if each.kind is TacticFate.FINISHED]
            slowest[row.theorem] = max(slowest.get(row.theorem, 0.0), row.tactic_s, *ending)
    return slowest


def main() -> None:
    """Read the run, and print both tables."""
    folder, *given = sys.argv[1:]
    rows = list(read_trajectory(folder).rows())
    attempts = [attempt for row in rows for attempt in row.attempts]
    print("\n".join(by_kind(attempts)))
    proofs, whole = slowest_on_the_way(rows), sum(attempt.elapsed_s for attempt in attempts)
    print("\n| limit | time spared | proofs lost |\n| --- | --- | --- |")
    for limit_s in map(float, given or LIMITS_S):
        spared = sum(max(attempt.elapsed_s - limit_s, 0.0) for attempt in attempts) / whole
        lost = sum(seconds > limit_s for seconds in proofs.values())
        print(f"| {limit_s:g} s | {spared:.0%} | {lost} of {len(proofs)} |")


if __name__ == "__main__":
    main()
