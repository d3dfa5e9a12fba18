"""Reads Parquet in the calling thread alone, and no more of it than memory has room for."""

from __future__ import annotations

from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from leanebm.storage.regular_file import MAX_DATA_BYTES

_ROWS: Final = 1024
"""Unpacked at a time. One text that all rows share is written once: a file of 5 kB can hold two million of a MB."""


def read_parquet(file: BinaryIO, columns: list[str] | None = None, *, max_bytes: int = MAX_DATA_BYTES) -> pa.Table:
    """The rows of an open Parquet file, its checksums verified.

    Arrow reads with threads of its own. One of them may let go of bytes that came from Python when the read is over,
    and needs the interpreter for it; if that is ending just then, the process aborts after all its work is done
    ("terminate called without an active exception"). From memory, and asked for one thread, Arrow starts none.

    Args:
        file: it is read from its start.
        columns: which ones, in which order; all where there are none given.
        max_bytes: what they may unpack to.

    Raises:
        OSError: it cannot be read, is damaged, or unpacks to more.
        pyarrow.ArrowException: it is damaged, or is no Parquet file.
    """
    file.seek(0)
    with pq.ParquetFile(pa.BufferReader(file.read()), page_checksum_verification=True) as table:
        schema = table.schema_arrow
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns], schema.metadata)
        batches, size = [], 0
        for batch in table.iter_batches(_ROWS, columns=columns, use_threads=False):
            size += batch.nbytes
            if size > max_bytes:
                raise OSError(f"it unpacks to more than {max_bytes} bytes, the most that are read")
            batches.append(batch)
        rows = pa.Table.from_batches(batches, schema)
        if rows.num_rows != table.metadata.num_rows:  # Arrow takes some damage for the end
            raise OSError(f"it is damaged: {rows.num_rows} of {table.metadata.num_rows} rows can be read")
    return rows
