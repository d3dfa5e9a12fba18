"""Read what searches left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pyarrow as pa
import pyarrow.compute as pc

from leanebm.errors import TrajectoryError
from leanebm.trajectory.record import TheoremRecord
from leanebm.trajectory.row import TrajectoryRow
from leanebm.trajectory.run_info import RunInfo
from leanebm.trajectory.schema import SCHEMA, rows_of
from leanebm.trajectory.shard import SHARD_PATTERN, Shard

__all__ = ["Trajectory", "read_trajectory"]


@attrs.frozen
class Trajectory:
    """The searches of one or several runs of one configuration, each theorem once.

    A theorem that was searched again, because its first search was lost, counts with its last search;
    rows of the earlier one are left out.
    """

    path: Path
    shards: tuple[Shard, ...] = attrs.field(repr=lambda shards: f"<{len(shards)}>")

    @property
    def runs(self) -> tuple[RunInfo, ...]:
        """The runs that wrote it, the first one first."""
        return tuple({shard.run.run_id: shard.run for shard in self.shards}.values())

    @property
    def records(self) -> tuple[TheoremRecord, ...]:
        """Each theorem's last search, in the order in which theorems were first finished."""
        return tuple({record.theorem.name: record for shard in self.shards for record in shard.records}.values())

    def tables(self) -> Iterator[pa.Table]:
        """The rows of one shard after the other, so that no more than one is in memory.

        Raises:
            TrajectoryError: a shard is damaged, or is gone.
        """
        final = {record.theorem.name: record.run_id for record in self.records}
        for shard in self.shards:
            superseded = [
                record.theorem.name for record in shard.records if final[record.theorem.name] != record.run_id
            ]
            table = shard.table()
            if superseded:
                table = table.filter(pc.invert(pc.is_in(table["theorem"], pa.array(superseded))))
            yield table

    def table(self) -> pa.Table:
        """All rows as one table of :data:`~leanebm.trajectory.SCHEMA`.

        Raises:
            TrajectoryError: a shard is damaged, or is gone.
        """
        return pa.concat_tables([SCHEMA.empty_table(), *self.tables()])

    def rows(self) -> Iterator[TrajectoryRow]:
        """All rows, shard by shard.

        Raises:
            TrajectoryError: a shard is damaged, or is gone.
        """
        for table in self.tables():
            yield from rows_of(table)


def read_trajectory(path: Path | str) -> Trajectory:
    """Open a trajectory: a directory of shards, or a single shard. Only footers are read.

    Raises:
        TrajectoryError: there is none at ``path``, or a shard is damaged or of another version.
    """
    path = Path(path)
    if path.is_file():
        return Trajectory(path, (Shard.open(path),))
    shards = sorted(path.glob(SHARD_PATTERN))
    if not shards:
        what = "holds no finished shard" if path.is_dir() else "does not exist"
        raise TrajectoryError(f"{path} {what}: a trajectory is a directory of {SHARD_PATTERN}, or one such file.")
    return Trajectory(path, tuple(Shard.open(shard) for shard in shards))
