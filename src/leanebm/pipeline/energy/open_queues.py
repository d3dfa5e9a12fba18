"""What stood open each time a search chose where to go next, read back from its trajectory.

An energy that is to order a queue is measured, and given its weight, on such queues.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import TacticFate
from leanebm.trajectory import TrajectoryRow

if TYPE_CHECKING:
    from leanebm.energy.diagnostics import FrontierSet

__all__ = ["RecordedQueue", "frontier_set", "open_queues"]

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
