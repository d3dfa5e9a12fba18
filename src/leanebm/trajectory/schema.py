"""The columns of a trajectory. Change one, and :data:`SCHEMA_VERSION` counts up with a migration."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import attrs
import pyarrow as pa

from leanebm._shown import counted
from leanebm.core import NodeStatus, SearchOutcome, TacticFate
from leanebm.errors import ConfigError
from leanebm.storage import ShardFormat, ShardSet, read_shards, shard_paths
from leanebm.storage.parquet import column
from leanebm.trajectory.record import Attempt, TheoremRecord, TrajectoryRow

SCHEMA_VERSION: Final = 2

TRAJECTORY_FOLDER: Final = "trajectory"
"""Where a run's folder holds its trajectory."""

_ATTEMPT: Final = pa.struct(
    [
        column("tactic", pa.string()),
        column("log_prob", pa.float64(), unit="nat"),
        column("kind", pa.string()),
        column("target", pa.int32()),
        column("message", pa.string()),
        column("elapsed_s", pa.float64(), unit="s"),
    ]
)

SCHEMA: Final = pa.schema(
    [
        column("run_id", pa.string()),
        column("theorem", pa.string()),
        column("statement", pa.string()),
        column("outcome", pa.string()),
        column("node", pa.int32()),
        column("parent", pa.int32()),
        column("state_key", pa.string()),
        column("state_text", pa.string()),
        column("num_goals", pa.int32()),
        column("tactic", pa.string(), nullable=True),
        column("log_prob", pa.float64(), unit="nat"),
        column("path_log_prob", pa.float64(), unit="nat"),
        column("policy_weights", pa.string(), nullable=True),
        column("priority", pa.float64(), unit="the scorer's own; higher is expanded sooner", nullable=True),
        column("energy", pa.float64(), unit="1; lower is more provable", nullable=True),
        column("depth", pa.int32(), unit="tactics"),
        column("remaining_depth", pa.int32(), unit="tactics; -1 is unknown"),
        column("on_proof_path", pa.bool_()),
        column("status", pa.string()),
        column("expansion", pa.int32()),
        column("attempts", pa.list_(pa.field("element", _ATTEMPT, nullable=False))),
        column("started_unix_s", pa.float64(), unit="s since 1970-01-01 UTC"),
        column("found_s", pa.float64(), unit="s"),
        column("tactic_s", pa.float64(), unit="s"),
        column("worker_epoch", pa.int64()),
        column("backend", pa.string()),
        column("seed", pa.int64()),
    ]
)
"""One column for each field of :class:`~leanebm.trajectory.TrajectoryRow`, in its order."""


def table_of(rows: Iterable[TrajectoryRow]) -> pa.Table:
    """The rows as a table of :data:`SCHEMA`."""
    return pa.Table.from_pylist([attrs.asdict(row) for row in rows], schema=SCHEMA)


def rows_of(table: pa.Table) -> list[TrajectoryRow]:
    """The rows of a table of :data:`SCHEMA`."""
    return [_row(values) for values in table.to_pylist()]


def _row(values: dict[str, Any]) -> TrajectoryRow:
    attempts = tuple(Attempt(**attempt | {"kind": TacticFate(attempt["kind"])}) for attempt in values.pop("attempts"))
    outcome, status = SearchOutcome(values.pop("outcome")), NodeStatus(values.pop("status"))
    return TrajectoryRow(**values, outcome=outcome, status=status, attempts=attempts)


def _owns(record: TheoremRecord, row: TrajectoryRow) -> bool:
    return row.theorem == record.theorem.name and row.run_id == record.run_id


TRAJECTORY_FORMAT: Final = ShardFormat(
    noun="trajectory",
    prefix="leanebm",
    version=SCHEMA_VERSION,
    schema=SCHEMA,
    record=TheoremRecord,
    table_of=table_of,
    rows_of=rows_of,
    owns=_owns,
)
"""The shards of a trajectory: the nodes are the rows."""


Trajectory = ShardSet[TheoremRecord, TrajectoryRow]
"""The searches of one or several runs of one configuration, each theorem once."""


def read_trajectory(path: str | os.PathLike[str]) -> Trajectory:
    """Open a trajectory: a run's folder, the directory of shards in it, or a single shard. Only footers are read.

    Raises:
        ConfigError: there is none; runs in the folder are named.
        TrajectoryError: a shard is damaged or of another version.
    """
    try:
        return read_shards(trajectory_path(path), TRAJECTORY_FORMAT)
    except ConfigError as error:
        if not (runs := runs_in(path)):
            raise
        raise ConfigError(
            f"{path} is no run, but holds {counted(len(runs), 'run')}: name one", [*map(str, runs)]
        ) from error


def runs_in(folder: str | os.PathLike[str]) -> list[Path]:
    """The folders of runs that have shards, ``folder`` itself or at most four levels below it, in order."""
    patterns = (f"{depth}{TRAJECTORY_FOLDER}" for depth in ("", "*/", "*/*/", "*/*/*/", "*/*/*/*/"))
    found = sorted(place for pattern in patterns for place in Path(folder).glob(pattern))
    return [place.parent for place in found if shard_paths(place)]


def trajectory_path(path: str | os.PathLike[str]) -> Path:
    """Where the shards are: in a run's folder if that has a trajectory, or else ``path`` itself."""
    in_run = Path(path) / TRAJECTORY_FOLDER
    return in_run if in_run.is_dir() else Path(path)
