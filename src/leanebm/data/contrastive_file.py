"""Folders of contrastive groups: atomic Parquet shards, one row a decision point."""

from __future__ import annotations

from pathlib import Path
from typing import final

from leanebm.core import ContrastiveGroup
from leanebm.data.contrastive_record import ContrastiveRecord
from leanebm.data.contrastive_schema import CONTRASTIVE_FORMAT
from leanebm.storage import RunInfo, ShardSet, ShardWriter, ShardWriterConfig, read_shards

__all__ = ["ContrastiveSet", "ContrastiveWriter", "read_contrastive_set"]

ContrastiveSet = ShardSet[ContrastiveRecord, ContrastiveGroup]
"""Contrastive groups and what became of each theorem; ``rows()`` gives the groups, ``records`` the theorems."""


@final
class ContrastiveWriter(ShardWriter[ContrastiveRecord, ContrastiveGroup]):
    """Appends theorems with their groups to a folder of shards; an ``async with``.

    A run that is killed has lost nothing that it reported, and another one resumes by theorem.

    Args:
        path: the folder; made if it is not there.
        run: the run that writes. If the folder holds shards of another run, its settings must agree.
        config: when shards are closed.
    """

    def __init__(self, path: Path | str, *, run: RunInfo, config: ShardWriterConfig | None = None) -> None:
        super().__init__(path, CONTRASTIVE_FORMAT, run=run, config=config)


def read_contrastive_set(path: Path | str) -> ContrastiveSet:
    """Open a folder of contrastive groups, or a single shard of it. Only footers are read.

    Raises:
        TrajectoryError: there is none at ``path``, or a shard is damaged, of another kind or version.
    """
    return read_shards(path, CONTRASTIVE_FORMAT)
