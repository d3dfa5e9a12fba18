"""One file of a trajectory: whole theorems only, in place entirely or not at all.

The nodes are the rows; what is known of each theorem as a whole, and of the run, is JSON in the
file's metadata, so that summaries and resuming read footers only, and a theorem whose proof could not
even be opened is recorded although it has no nodes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import attrs
import pyarrow as pa
import pyarrow.parquet as pq
from cattrs.preconf.json import make_converter

from leanebm.errors import TrajectoryError
from leanebm.trajectory.record import TheoremRecord
from leanebm.trajectory.row import TrajectoryRow
from leanebm.trajectory.run_info import RunInfo
from leanebm.trajectory.schema import SCHEMA, SCHEMA_VERSION, table_of

__all__ = ["SHARD_PATTERN", "TEMPORARY_PATTERN", "Shard", "shard_path"]

SHARD_PATTERN: Final = "part-*.parquet"
TEMPORARY_PATTERN: Final = ".part-*.tmp"  # hidden, so that readers of the directory as one dataset skip it

_VERSION_KEY: Final = b"leanebm.schema_version"
_RUN_KEY: Final = b"leanebm.run"
_RECORDS_KEY: Final = b"leanebm.theorems"

_json = make_converter(forbid_extra_keys=True)


def shard_path(directory: Path, number: int) -> Path:
    """The path of the ``number``-th shard; names sort in the order of writing."""
    return directory / f"part-{number:06d}.parquet"


@attrs.frozen
class Shard:
    """A shard's metadata; its rows stay on the disk until :meth:`table` is called."""

    path: Path
    run: RunInfo
    records: tuple[TheoremRecord, ...]
    """The theorems it holds, in the order they were finished."""

    @classmethod
    def write(cls, path: Path, run: RunInfo, records: Sequence[TheoremRecord], rows: Sequence[TrajectoryRow]) -> Self:
        """Put a shard in place atomically: after a crash at any moment it is whole or absent.

        Raises:
            OSError: the disk is full, the directory is gone …
        """
        metadata = {
            _VERSION_KEY: str(SCHEMA_VERSION),
            _RUN_KEY: _json.dumps(run),
            _RECORDS_KEY: _json.dumps(tuple(records), unstructure_as=tuple[TheoremRecord, ...]),
        }
        temporary = path.with_name(f".{path.stem}.tmp")
        with temporary.open("wb") as file:
            pq.write_table(table_of(rows).replace_schema_metadata(metadata), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_directory(path.parent)
        return cls(path, run, tuple(records))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read a shard's footer.

        Raises:
            TrajectoryError: the file is damaged, is no trajectory, or is one of another version.
        """
        try:
            schema = pq.read_schema(path)
        except (OSError, pa.ArrowException) as error:
            raise TrajectoryError(f"{path} cannot be read as Parquet: {error}. Restore it, or delete it.") from error
        metadata = schema.metadata or {}
        if _VERSION_KEY not in metadata:
            raise TrajectoryError(f"{path} is a Parquet file but no trajectory: it carries no {_VERSION_KEY.decode()}.")
        version = metadata[_VERSION_KEY].decode()
        if version != str(SCHEMA_VERSION):
            raise TrajectoryError(
                f"{path} has schema version {version}; this leanebm reads and writes {SCHEMA_VERSION}. "
                "Read it with the leanebm that wrote it."
            )
        if not schema.equals(SCHEMA):
            raise TrajectoryError(f"{path} says schema version {version}, but its columns are not that version's.")
        try:
            run = _json.loads(metadata[_RUN_KEY], RunInfo)
            records = _json.loads(metadata[_RECORDS_KEY], tuple[TheoremRecord, ...])
        except (AttributeError, KeyError, TypeError, ValueError, ExceptionGroup) as error:  # JSON of another shape
            raise TrajectoryError(f"{path} has damaged metadata: {error}") from error
        return cls(path, run, records)

    def table(self) -> pa.Table:
        """The shard's rows.

        Raises:
            TrajectoryError: the file is damaged, or is gone.
        """
        try:
            return pq.read_table(self.path, schema=SCHEMA)
        except (OSError, pa.ArrowException) as error:
            raise TrajectoryError(f"{self.path} cannot be read: {error}") from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
