"""Folders of atomic, versioned Parquet shards that hold whole theorems: how everything that a run finds is kept."""

from leanebm.storage.run_info import RunInfo
from leanebm.storage.shard import Shard
from leanebm.storage.shard_format import ShardFormat, StoredRecord
from leanebm.storage.shard_set import ShardSet, read_shards
from leanebm.storage.shard_writer import ShardWriter, ShardWriterConfig

__all__ = [
    "RunInfo",
    "Shard",
    "ShardFormat",
    "ShardSet",
    "ShardWriter",
    "ShardWriterConfig",
    "StoredRecord",
    "read_shards",
]
