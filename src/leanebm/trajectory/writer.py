"""Write searches down so that a run killed at any moment has lost nothing that it reported."""

from __future__ import annotations

from pathlib import Path
from typing import final

from leanebm.storage import RunInfo, ShardWriter, ShardWriterConfig
from leanebm.trajectory.record import TheoremRecord
from leanebm.trajectory.row import TrajectoryRow
from leanebm.trajectory.schema import TRAJECTORY_FORMAT

__all__ = ["TrajectoryWriter"]


@final
class TrajectoryWriter(ShardWriter[TheoremRecord, TrajectoryRow]):
    """Appends searched theorems to a trajectory; an ``async with``.

    Args:
        path: the directory; made if it is not there.
        run: the run that writes. If the directory holds shards of another run, its settings must agree.
        config: when shards are closed.
    """

    def __init__(self, path: Path | str, *, run: RunInfo, config: ShardWriterConfig | None = None) -> None:
        super().__init__(path, TRAJECTORY_FORMAT, run=run, config=config)
