"""Goals that searches closed, whether or not they proved the theorem: each is a theorem of its own.

A state's first goal is closed where some line of tactics leads to the state's other goals, unchanged, and nothing
else. A search that proves half of a conjunction has proved a theorem, only not the one that it was asked for.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from leanebm.core import SearchOutcome
from leanebm.core.proof_script import is_turned
from leanebm.trajectory import TrajectoryRow

_GOAL_BREAK: Final = "\n\n"


@attrs.frozen(order=True)
class ClosedGoal:
    """A goal, and a shortest known proof of it."""

    theorem: str
    """The name of the theorem whose search met the goal."""

    goal: str
    """The goal alone, as Lean prints it."""

    tactics: tuple[str, ...]
    """The proof, at least one tactic; each runs on the first goal of what the ones before it leave."""


def closed_goals(rows: Iterable[TrajectoryRow]) -> Iterator[ClosedGoal]:
    """The goals that searches closed, once for every first tactic of a shortest line that closed them.

    Lean accepted each step, but nobody has certified the goal as a theorem. A goal that shares metavariables with
    others is left out where its proof changed them. A goal that two states begin with is given once for each.

    Args:
        rows: of any number of searches, each whole; those that infrastructure broke give nothing.
    """
    searches: defaultdict[tuple[str, str], list[TrajectoryRow]] = defaultdict(list)
    for row in rows:
        if row.outcome is not SearchOutcome.INFRASTRUCTURE:
            searches[row.run_id, row.theorem].append(row)
    for search in searches.values():
        nodes = {row.node: row for row in search}
        for row in search:
            yield from _closed(row, nodes)


def _closed(row: TrajectoryRow, nodes: dict[int, TrajectoryRow]) -> Iterator[ClosedGoal]:
    if not row.num_goals or not row.attempts:
        return
    goal, _, others = row.state_text.partition(_GOAL_BREAK)
    lines = {
        attempt.tactic: _shortest_line(nodes[attempt.target], others, nodes)
        for attempt in row.attempts
        if attempt.target in nodes and not is_turned(attempt.tactic)
    }
    known = {tactic: line for tactic, line in lines.items() if line is not None}
    shortest = min(map(len, known.values()), default=0)
    for tactic, line in known.items():
        if len(line) == shortest:
            yield ClosedGoal(row.theorem, goal, (tactic, *line))


def _shortest_line(start: TrajectoryRow, others: str, nodes: dict[int, TrajectoryRow]) -> tuple[str, ...] | None:
    """Fewest tactics from ``start`` to the goals ``others`` and nothing else; ``None`` if no known line leads there."""
    waiting, seen = deque([(start, tuple[str, ...]())]), {start.node}
    while waiting:
        row, line = waiting.popleft()
        if row.state_text == others:
            return line
        if not row.state_text.endswith(f"{_GOAL_BREAK}{others}" if others else ""):
            continue  # the other goals were changed, or are gone
        for attempt in row.attempts:
            child = nodes.get(attempt.target)
            if child is not None and child.node not in seen and not is_turned(attempt.tactic):
                seen.add(child.node)
                waiting.append((child, (*line, attempt.tactic)))
    return None
