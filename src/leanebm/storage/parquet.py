"""Parquet: read in the calling thread alone, and no more than memory has room for; and written whole, or not at all."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from leanebm.storage.atomic_file import write_atomically
from leanebm.storage.regular_file import MAX_DATA_BYTES

_ROWS: Final = 1024
"""Unpacked at a time. One text that all rows share is written once: a file of 5 kB can hold two million of a MB."""

_CATEGORICAL_ROWS: Final = 64 * _ROWS
"""Read at a time of categorical columns: each batch brings all the categories, and else only a number for each row."""


def column(name: str, type_: pa.DataType, *, unit: str = "", nullable: bool = False) -> pa.Field:
    """A column of a schema, with the unit of its numbers."""
    return pa.field(name, type_, nullable=nullable, metadata={"unit": unit} if unit else None)


def write_parquet(path: str | os.PathLike[str], table: pa.Table, **settings: Any) -> None:
    """Write a table, compressed, as :func:`write_atomically` writes bytes; ``settings`` are of Arrow's own writer.

    Raises:
        OSError: the disk is full, the folder cannot be written …; the old file stays.
    """
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", **settings)
    write_atomically(path, buffer.getvalue())


def read_parquet(file: BinaryIO, columns: list[str] | None = None, *, max_bytes: int = MAX_DATA_BYTES) -> pa.Table:
    """The rows of an open Parquet file, its checksums verified. What is categorical comes as the values themselves.

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
        plain = [field for field in schema if not pa.types.is_dictionary(field.type)]
        values = [field.with_type(field.type.value_type) for field in schema if pa.types.is_dictionary(field.type)]
        parts = [(plain, _batches(table, plain)), *([(values, _values(table, values))] if values else [])]
        tables, size = list[pa.Table](), 0
        for fields, batches in parts:
            found = []
            for batch in batches:
                size += batch.nbytes
                if size > max_bytes:
                    raise OSError(f"it unpacks to more than {max_bytes} bytes, the most that are read")
                found.append(batch)
            tables.append(pa.Table.from_batches(found, pa.schema(fields, schema.metadata)))
            if tables[-1].num_rows != table.metadata.num_rows:  # Arrow takes some damage for the end
                raise OSError(f"it is damaged: {tables[-1].num_rows} of {table.metadata.num_rows} rows can be read")
    rows = tables[0]
    for field in values:
        rows = rows.add_column(schema.get_field_index(field.name), field, tables[1][field.name])
    return rows


def _batches(table: pq.ParquetFile, fields: Sequence[pa.Field], rows: int = _ROWS) -> Iterator[pa.RecordBatch]:
    yield from table.iter_batches(rows, columns=[field.name for field in fields], use_threads=False)


def _values(table: pq.ParquetFile, fields: Sequence[pa.Field]) -> Iterator[pa.RecordBatch]:
    for batch in _batches(table, fields, _CATEGORICAL_ROWS):
        for start in range(0, batch.num_rows, _ROWS):
            columns = [column.dictionary_decode() for column in batch.slice(start, _ROWS).columns]
            yield pa.record_batch(columns, schema=pa.schema(fields))
