"""What searches leave behind: versioned Parquet, one row a node, in atomic shards."""

from leanebm.trajectory.reader import Trajectory, read_trajectory
from leanebm.trajectory.record import THEOREM_OUTCOMES, TheoremRecord
from leanebm.trajectory.row import MAX_MESSAGE_CHARS, Attempt, TrajectoryRow
from leanebm.trajectory.schema import SCHEMA, SCHEMA_VERSION, TRAJECTORY_FORMAT
from leanebm.trajectory.summary import TrajectorySummary, summarise
from leanebm.trajectory.writer import TrajectoryWriter

__all__ = [
    "MAX_MESSAGE_CHARS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "THEOREM_OUTCOMES",
    "TRAJECTORY_FORMAT",
    "Attempt",
    "TheoremRecord",
    "Trajectory",
    "TrajectoryRow",
    "TrajectorySummary",
    "TrajectoryWriter",
    "read_trajectory",
    "summarise",
]
