"""Reads Parquet in the calling thread alone."""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq


def read_parquet(file: BinaryIO, columns: list[str] | None = None) -> pa.Table:
    """The rows of an open Parquet file, its checksums verified.

    Arrow reads with threads of its own. One of them may let go of bytes that came from Python when the read is over,
    and needs the interpreter for it; if that is ending just then, the process aborts after all its work is done
    ("terminate called without an active exception"). From memory, and asked for one thread, Arrow starts none.

    Args:
        file: it is read from its start.
        columns: which ones, in which order; all where there are none given.

    Raises:
        OSError: it cannot be read, or is damaged.
        pyarrow.ArrowException: it is damaged, or is no Parquet file.
    """
    file.seek(0)
    with pq.ParquetFile(pa.BufferReader(file.read()), page_checksum_verification=True) as table:
        return table.read(columns=columns, use_threads=False)
