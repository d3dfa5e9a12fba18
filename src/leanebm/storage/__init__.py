"""How everything that a run finds is kept: files that are whole or absent, and folders of Parquet shards of them."""

from leanebm.storage.atomic_file import SCRATCH_SUFFIX, remove_scratch, write_atomically
from leanebm.storage.regular_file import MAX_DATA_BYTES, MAX_TEXT_BYTES, open_regular, read_regular
from leanebm.storage.run_info import RunInfo, settings_leaves
from leanebm.storage.shard import Shard, ShardFormat, ShardSet, StoredRecord, read_shards, shard_paths
from leanebm.storage.shard_writer import ShardWriter, ShardWriterConfig

__all__ = [
    "MAX_DATA_BYTES",
    "MAX_TEXT_BYTES",
    "SCRATCH_SUFFIX",
    "RunInfo",
    "Shard",
    "ShardFormat",
    "ShardSet",
    "ShardWriter",
    "ShardWriterConfig",
    "StoredRecord",
    "open_regular",
    "read_regular",
    "read_shards",
    "remove_scratch",
    "settings_leaves",
    "shard_paths",
    "write_atomically",
]
