"""Read what searches left behind."""

from __future__ import annotations

from pathlib import Path

from leanebm.storage import ShardSet, read_shards
from leanebm.trajectory.record import TheoremRecord
from leanebm.trajectory.row import TrajectoryRow
from leanebm.trajectory.schema import TRAJECTORY_FORMAT

__all__ = ["Trajectory", "read_trajectory"]

Trajectory = ShardSet[TheoremRecord, TrajectoryRow]
"""The searches of one or several runs of one configuration, each theorem once."""


def read_trajectory(path: Path | str) -> Trajectory:
    """Open a trajectory: a directory of shards, or a single shard. Only footers are read.

    Raises:
        TrajectoryError: there is none at ``path``, or a shard is damaged or of another version.
    """
    return read_shards(path, TRAJECTORY_FORMAT)
