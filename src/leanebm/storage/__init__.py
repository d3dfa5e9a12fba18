"""How everything that a run finds is kept: files that are whole or absent, and folders of Parquet shards of them."""

from leanebm.storage.atomic_file import (
    SCRATCH_SUFFIX,
    is_wrong_place,
    not_written,
    refuse_unwritable,
    remove_scratch,
    remove_scratch_below,
    write_atomically,
    write_next,
)
from leanebm.storage.file_stem import file_stem
from leanebm.storage.merge import merge_shards
from leanebm.storage.parquet import read_parquet, write_parquet
from leanebm.storage.regular_file import MAX_DATA_BYTES, MAX_TEXT_BYTES, open_regular, read_regular
from leanebm.storage.run_info import (
    RunInfo,
    differences_from_folder,
    one_line_per_change,
    settings_differences,
    settings_leaves,
)
from leanebm.storage.shard import Shard, ShardFormat, ShardSet, StoredRecord, read_shards, shard_paths
from leanebm.storage.shard_writer import ShardWriter, ShardWriterConfig, refuse_unlike

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
    "differences_from_folder",
    "file_stem",
    "is_wrong_place",
    "merge_shards",
    "not_written",
    "one_line_per_change",
    "open_regular",
    "read_parquet",
    "read_regular",
    "read_shards",
    "refuse_unlike",
    "refuse_unwritable",
    "remove_scratch",
    "remove_scratch_below",
    "settings_differences",
    "settings_leaves",
    "shard_paths",
    "write_atomically",
    "write_next",
    "write_parquet",
]
