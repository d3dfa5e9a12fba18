"""Contrastive groups from searches that found a proof.

Every expanded node of a certified proof is a decision point: the proof's next state is the positive, and
what the policy's other tactics led to are the negatives. The search went some way from them, so some are known
to be provable, and some to be dead.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from leanebm.core import ContrastiveGroup, Evidence, NegativeState, NodeStatus, TacticFate
from leanebm.data import library_modules
from leanebm.trajectory import TrajectoryRow, read_trajectory

_TRIED: Final = (NodeStatus.EXPANDED, NodeStatus.DEAD)
"""Statuses of nodes on which every candidate was run."""


def groups_from_trajectory(
    rows: Iterable[TrajectoryRow], *, modules: Mapping[str, str] | None = None, round_: int = 0
) -> tuple[ContrastiveGroup, ...]:
    """The decision points along the certified proofs among ``rows``.

    A state is left out of a group's negatives if the search itself shows that it can be proved: it is, or reads
    like, a state of the proof; or some line from it ends in no goals, or in a state of the proof. It is ``dead`` if
    everything that can be reached from it was expanded, no tactic there ran into a limit, and no line ended well;
    else it is ``unknown``.

    Args:
        rows: of any number of searches, each whole; those without a certified proof give nothing.
        modules: which library module a statement (``@Nat.add_comm``) is from, if it is of a library.
        round_: of expert iteration.

    Returns:
        Groups in the order of searches, each search's from the root on.
    """
    searches: defaultdict[tuple[str, str], list[TrajectoryRow]] = defaultdict(list)
    for row in rows:
        searches[row.run_id, row.theorem].append(row)
    known_modules = {} if modules is None else modules
    return tuple(
        group
        for search in searches.values()
        for group in _SearchedTree(search).groups(module=known_modules.get(search[0].statement, ""), round_=round_)
    )


def read_search_groups(path: str | os.PathLike[str], *, round_: int = 0) -> tuple[ContrastiveGroup, ...]:
    """The groups of a run's folder, its trajectory, or one shard of it.

    Raises:
        ConfigError: there is none.
        TrajectoryError: a shard is damaged or of another version.
    """
    rows = read_trajectory(path).rows()
    return groups_from_trajectory(rows, modules=modules_by_statement(), round_=round_)


def modules_by_statement() -> dict[str, str]:
    """The module of each theorem of the shipped library, by what a trajectory calls its statement."""
    return {f"@{name}": module for name, module in library_modules().items()}


@attrs.define(eq=False)
class _SearchedTree:
    """One search's nodes, and what they tell of one another."""

    rows: list[TrajectoryRow]
    _nodes: dict[int, TrajectoryRow] = attrs.field(init=False)
    _path: list[TrajectoryRow] = attrs.field(init=False)
    _provable: set[int] = attrs.field(init=False)
    _undecided: set[int] = attrs.field(init=False)
    _marks: set[str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._nodes = {row.node: row for row in self.rows}
        self._path = sorted((row for row in self.rows if row.on_proof_path), key=lambda row: row.depth)
        self._marks = {mark for row in self._path if row.num_goals for mark in (row.state_key, row.state_text)}
        self._provable = self._leading_to(row for row in self.rows if row.on_proof_path or not row.num_goals)
        self._undecided = self._leading_to(row for row in self.rows if not _was_tried_in_vain(row))

    def groups(self, *, module: str, round_: int) -> Iterator[ContrastiveGroup]:
        for parent, positive in zip(self._path, self._path[1:], strict=False):
            if not positive.num_goals or positive.tactic is None:
                return  # the step that finishes has no open state to learn from
            yield ContrastiveGroup(
                theorem=parent.theorem,
                module=module,
                parent_text=parent.state_text,
                parent_key=parent.state_key,
                positive_text=positive.state_text,
                positive_key=positive.state_key,
                positive_tactic=positive.tactic,
                positive_log_prob=positive.log_prob,
                negatives=tuple(self._negatives(parent)),
                depth=parent.depth,
                remaining_depth=positive.remaining_depth,
                source="search",
                round=round_,
            )

    def _negatives(self, parent: TrajectoryRow) -> Iterator[NegativeState]:
        seen: set[str] = set()
        for attempt in sorted(parent.attempts, key=lambda attempt: -attempt.log_prob):
            child = self._nodes.get(attempt.target)
            if child is None or child.node in self._provable:
                continue
            marks = {child.state_key, child.state_text}
            if not marks.isdisjoint(self._marks) or not marks.isdisjoint(seen):
                continue
            seen |= marks
            yield NegativeState(
                text=child.state_text,
                key=child.state_key,
                tactic=attempt.tactic,
                log_prob=attempt.log_prob,
                evidence=Evidence.UNKNOWN if child.node in self._undecided else Evidence.DEAD,
            )

    def _leading_to(self, goals: Iterable[TrajectoryRow]) -> set[int]:
        """The nodes from which some line of tactics leads to one of ``goals``, which are among them."""
        parents: defaultdict[int, list[int]] = defaultdict(list)
        for row in self.rows:
            for attempt in row.attempts:
                parents[attempt.target].append(row.node)
        waiting = [row.node for row in goals]
        reached = set(waiting)
        while waiting:
            new = [parent for parent in parents[waiting.pop()] if parent not in reached]
            reached.update(new)
            waiting += new
        return reached


def _was_tried_in_vain(row: TrajectoryRow) -> bool:
    """Whether all that was proposed at a node was run there, something was, and nothing ran into a limit."""
    return (
        row.num_goals > 0
        and row.status in _TRIED
        and len(row.attempts) > 0
        and all(attempt.kind is not TacticFate.TIMED_OUT for attempt in row.attempts)
    )
