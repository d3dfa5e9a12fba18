"""What searches leave behind: versioned Parquet, one row a node, in atomic shards."""

from leanebm.trajectory.reader import Trajectory, read_trajectory
from leanebm.trajectory.record import THEOREM_OUTCOMES, TheoremRecord
from leanebm.trajectory.row import MAX_MESSAGE_CHARS, Attempt, TrajectoryRow
from leanebm.trajectory.run_info import RunInfo
from leanebm.trajectory.schema import SCHEMA, SCHEMA_VERSION
from leanebm.trajectory.shard import Shard
from leanebm.trajectory.summary import TrajectorySummary, summarise
from leanebm.trajectory.writer import TrajectoryWriter, TrajectoryWriterConfig

__all__ = [
    "MAX_MESSAGE_CHARS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "THEOREM_OUTCOMES",
    "Attempt",
    "RunInfo",
    "Shard",
    "TheoremRecord",
    "Trajectory",
    "TrajectoryRow",
    "TrajectorySummary",
    "TrajectoryWriter",
    "TrajectoryWriterConfig",
    "read_trajectory",
    "summarise",
]
