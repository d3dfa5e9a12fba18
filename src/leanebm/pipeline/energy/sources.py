"""Where an energy head's lessons come from: search trees, and groups made from known proofs.

An energy that is to order a queue is measured, and given its weight, on such queues.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import ContrastiveGroup, TacticFate
from leanebm.data import read_contrastive_set
from leanebm.errors import ConfigError
from leanebm.pipeline.contrastive.folder import ContrastiveFolder
from leanebm.pipeline.contrastive.trajectory import groups_from_trajectory, modules_by_statement
from leanebm.pipeline.run_folder import as_paths
from leanebm.trajectory import Trajectory, TrajectoryRow, read_trajectory

if TYPE_CHECKING:
    from leanebm.energy.diagnostics import FrontierSet

_DISCOVERIES: Final = frozenset({TacticFate.ADVANCED, TacticFate.FINISHED})


@attrs.frozen(kw_only=True)
class RecordedQueue:
    """All nodes that stood open at one pop of a search that ended in a certified proof."""

    theorem: str
    nodes: tuple[TrajectoryRow, ...]
    """In order of discovery; none of them is finished."""
    __repr__ = fitting_repr


def frontier_set(queues: Sequence[RecordedQueue], energies: Mapping[str, float]) -> FrontierSet:
    """The queues as a diagnosis takes them.

    Args:
        queues: of any searches.
        energies: of every state in them, by its text.
    """
    import numpy as np

    from leanebm.energy.diagnostics import FrontierSet, state_shape

    nodes = [row for queue in queues for row in queue.nodes]
    return FrontierSet(
        theorem=[queue.theorem for queue in queues],
        size=[len(queue.nodes) for queue in queues],
        energy=[energies[row.state_text] for row in nodes],
        path_log_prob=[row.path_log_prob for row in nodes],
        depth=[row.depth for row in nodes],
        is_on_path=[row.on_proof_path for row in nodes],
        shape=np.reshape([state_shape(row.state_text) for row in nodes], (len(nodes), 3)),
    )


def open_queues(rows: Sequence[TrajectoryRow]) -> Iterator[RecordedQueue]:
    """The queues of one theorem's search, one per pop, in order.

    Pops without a choice are left out, and so are searches without a proof: nobody knows which node was the
    right one there. A node that was given a better path later appears with that one.

    Args:
        rows: every node of one search.
    """
    if not any(row.on_proof_path for row in rows):
        return
    discovered = _discoveries(rows)
    open_rows = [row for row in rows if row.num_goals]
    for pop in range(max(row.expansion for row in rows) + 1):
        nodes = tuple(
            row for row in open_rows if discovered[row.node] < pop and (row.expansion < 0 or row.expansion >= pop)
        )
        if len(nodes) > 1 and any(row.on_proof_path for row in nodes):
            yield RecordedQueue(theorem=rows[0].theorem, nodes=nodes)


def _discoveries(rows: Sequence[TrajectoryRow]) -> dict[int, int]:
    """The expansion that each node came from; −1 for the root."""
    found = {row.node: -1 for row in rows}
    for row in rows:
        for attempt in row.attempts:
            if attempt.kind in _DISCOVERIES:
                found[attempt.target] = row.expansion
    return found


@attrs.frozen(kw_only=True)
class EnergySources:
    """Folders to learn from, and folders of held-out theorems to be judged on."""

    trajectories: tuple[Path, ...] = attrs.field(default=(), converter=as_paths)
    """Folders of search runs, trajectories, or single shards."""

    negatives: tuple[Path, ...] = attrs.field(default=(), converter=as_paths)
    """Folders that ``generate-negatives`` wrote."""

    val_trajectories: tuple[Path, ...] = attrs.field(default=(), converter=as_paths)
    """As ``trajectories``, of theorems that are held out; without any, some of the others are."""

    val_negatives: tuple[Path, ...] = attrs.field(default=(), converter=as_paths)
    """As ``negatives``, of theorems that are held out."""

    __repr__ = fitting_repr

    @property
    def names_validation(self) -> bool:
        """Whether held-out theorems have folders of their own."""
        return bool(self.val_trajectories or self.val_negatives)


@attrs.frozen(kw_only=True)
class Lessons:
    """What one side of the sources holds."""

    groups: tuple[ContrastiveGroup, ...]
    queues: tuple[RecordedQueue, ...]
    audited_negatives: int = 0
    """Negatives that ``generate-negatives --audit`` tried to prove with a longer search, and decided."""

    provable_negatives: int = 0
    """Those of them that it proved: their labels are false."""

    __repr__ = fitting_repr

    @classmethod
    def read(cls, trajectories: Sequence[str | os.PathLike[str]], negatives: Sequence[str | os.PathLike[str]]) -> Self:
        """Read search trees and group folders.

        Raises:
            ConfigError: there is nothing to read, or a folder holds neither.
            TrajectoryError: a shard is damaged.
        """
        if not trajectories and not negatives:
            raise ConfigError(
                "there is nothing to learn from:", ["name a run @ RUN, or a folder of groups @ --negatives"]
            )
        modules = modules_by_statement()
        groups: list[ContrastiveGroup] = []
        queues: list[RecordedQueue] = []
        for path in trajectories:
            for rows in _searches(read_trajectory(path)):
                groups += groups_from_trajectory(rows, modules=modules)
                queues += open_queues(rows)
        for path in negatives:
            groups += read_contrastive_set(ContrastiveFolder.groups_in(path)).rows()
        audits = [audit for path in negatives if (audit := ContrastiveFolder(path).read_audit()) is not None]
        return cls(
            groups=tuple(groups),
            # In one order, whatever order the searches ended in: sums over them are the same to the last bit then.
            queues=tuple(sorted(queues, key=lambda queue: queue.theorem)),
            audited_negatives=sum(audit.decided for audit in audits),
            provable_negatives=sum(audit.false for audit in audits),
        )

    def restricted_to(self, theorems: frozenset[str]) -> Self:
        """The queues of ``theorems`` only; the groups as they are."""
        return attrs.evolve(self, queues=tuple(queue for queue in self.queues if queue.theorem in theorems))


def _searches(trajectory: Trajectory) -> Iterator[list[TrajectoryRow]]:
    """The rows of one theorem's search after the other; a shard holds whole theorems."""
    for _, rows in groupby(trajectory.rows(), key=lambda row: (row.run_id, row.theorem)):
        yield list(rows)
