"""What searches leave behind: versioned Parquet, one row per node, in atomic shards."""

from leanebm.trajectory.attempts import attempt_folder, best_of, read_attempts
from leanebm.trajectory.cost import AnytimeCurve, Cost, doublings
from leanebm.trajectory.record import MAX_MESSAGE_CHARS, Attempt, TheoremRecord, TrajectoryRow
from leanebm.trajectory.schema import (
    SCHEMA,
    SCHEMA_VERSION,
    TRAJECTORY_FOLDER,
    TRAJECTORY_FORMAT,
    Trajectory,
    read_trajectory,
    runs_in,
    trajectory_path,
)
from leanebm.trajectory.summary import TrajectorySummary, summary_of

__all__ = [
    "MAX_MESSAGE_CHARS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "TRAJECTORY_FOLDER",
    "TRAJECTORY_FORMAT",
    "AnytimeCurve",
    "Attempt",
    "Cost",
    "TheoremRecord",
    "Trajectory",
    "TrajectoryRow",
    "TrajectorySummary",
    "attempt_folder",
    "best_of",
    "doublings",
    "read_attempts",
    "read_trajectory",
    "runs_in",
    "summary_of",
    "trajectory_path",
]
