"""What a kind of shard holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Generic, Protocol, TypeVar

import attrs
import pyarrow as pa

from leanebm.core import Theorem

__all__ = ["SHARD_PATTERN", "TEMPORARY_PATTERN", "R", "ShardFormat", "StoredRecord", "T"]

SHARD_PATTERN: Final = "part-*.parquet"
TEMPORARY_PATTERN: Final = ".part-*.tmp"  # hidden, so that readers of the directory as one dataset skip it


class StoredRecord(Protocol):
    """What is known of one theorem as a whole; an attrs class that JSON can hold."""

    @property
    def theorem(self) -> Theorem:
        """Which theorem."""
        ...

    @property
    def run_id(self) -> str:
        """The run that worked on it."""
        ...

    @property
    def is_final(self) -> bool:
        """Whether it need not be worked on again."""
        ...


R = TypeVar("R", bound=StoredRecord)
T = TypeVar("T")


@attrs.frozen(kw_only=True)
class ShardFormat(Generic[R, T]):
    """A kind of shard: its columns, and how values become rows and come back.

    A row belongs to one theorem, whose name is in the column ``theorem``.
    """

    noun: str
    """What a folder of such shards is called in messages: ``trajectory``."""

    prefix: str
    """In front of the metadata's keys; different for every kind, so that none is taken for another."""

    version: int
    """Counts up when the columns change; another version is refused, not guessed at."""

    schema: pa.Schema
    record: type[R]
    table_of: Callable[[Iterable[T]], pa.Table]
    """Rows as a table of ``schema``."""

    rows_of: Callable[[pa.Table], list[T]]
    """A table of ``schema`` as rows."""

    owns: Callable[[R, T], bool]
    """Whether a row is one of the record's."""

    @property
    def version_key(self) -> bytes:
        """Where a file's metadata say its version."""
        return f"{self.prefix}.schema_version".encode()

    @property
    def run_key(self) -> bytes:
        """Where they say which run wrote it."""
        return f"{self.prefix}.run".encode()

    @property
    def records_key(self) -> bytes:
        """Where they hold the records."""
        return f"{self.prefix}.theorems".encode()
