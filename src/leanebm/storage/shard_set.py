"""Read a folder of shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Generic

import attrs
import pyarrow as pa
import pyarrow.compute as pc

from leanebm.errors import TrajectoryError
from leanebm.storage.run_info import RunInfo
from leanebm.storage.shard import SHARD_PATTERN, R, Shard, ShardFormat, T

__all__ = ["ShardSet", "read_shards"]


@attrs.frozen
class ShardSet(Generic[R, T]):
    """What one or several runs of one configuration found, each theorem once.

    A theorem that was worked on again, because it was lost the first time, counts with its last record;
    rows of the earlier one are left out.
    """

    path: Path = attrs.field(converter=Path)
    format: ShardFormat[R, T] = attrs.field(repr=False)
    shards: tuple[Shard[R, T], ...] = attrs.field(repr=lambda shards: f"<{len(shards)}>")

    @property
    def runs(self) -> tuple[RunInfo, ...]:
        """The runs that wrote it, the first one first."""
        return tuple({shard.run.run_id: shard.run for shard in self.shards}.values())

    @property
    def records(self) -> tuple[R, ...]:
        """Each theorem's last record, in the order in which theorems were first finished."""
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
        """All rows as one table of the format's schema.

        Raises:
            TrajectoryError: a shard is damaged, or is gone.
        """
        return pa.concat_tables([self.format.schema.empty_table(), *self.tables()])

    def rows(self) -> Iterator[T]:
        """All rows, shard by shard.

        Raises:
            TrajectoryError: a shard is damaged, or is gone.
        """
        for shard, table in zip(self.shards, self.tables(), strict=True):
            try:
                rows = self.format.rows_of(table)
            except (TypeError, ValueError) as error:
                raise TrajectoryError(
                    f"{shard.path} holds a row that this leanebm would not have written: {error} "
                    f"@ row {_first_bad_row(table, self.format)}. Restore it, or delete it."
                ) from error
            yield from rows


def _first_bad_row(table: pa.Table, shard_format: ShardFormat[R, T]) -> int:
    """Its number among the rows that count, from 1."""
    for index in range(table.num_rows):
        try:
            shard_format.rows_of(table.slice(index, 1))
        except (TypeError, ValueError):
            return index + 1
    raise AssertionError("rows that cannot be read together can be read one by one")


def read_shards(path: Path | str, shard_format: ShardFormat[R, T]) -> ShardSet[R, T]:
    """Open a folder of shards, or a single shard. Only footers are read.

    Raises:
        TrajectoryError: there is none at ``path``, or a shard is damaged, of another kind or version.
    """
    path = Path(path)
    if path.is_file():
        return ShardSet(path, shard_format, (Shard.open(path, shard_format),))
    shards = sorted(path.glob(SHARD_PATTERN))
    if not shards:
        what = "holds no finished shard" if path.is_dir() else "does not exist"
        raise TrajectoryError(
            f"{path} {what}: a {shard_format.noun} is a directory of {SHARD_PATTERN}, or one such file."
        )
    return ShardSet(path, shard_format, tuple(Shard.open(shard, shard_format) for shard in shards))
