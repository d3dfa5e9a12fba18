"""Items that nobody works on any more are lost, and stay so: what took all its workers with it is recorded as that."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs

from leanebm.storage import RunInfo, ShardFormat, ShardWriter, read_shards


async def record_given_up(
    folder: Path,
    shard_format: ShardFormat[Any, Any],
    records_of: Callable[[RunInfo], Iterable[Any]],
    *,
    part: str,
    pool_unlike_runs: bool,
) -> None:
    """Write records of items that nobody works on any more, unless there is any record of them, and let them be lost.

    A worker that was taken for dead may end one of them later. What was told of the run, and learnt from it, stays as
    it is: that result does not count before the folder is merged. No Lean is needed here: what the workers were, those
    say who have written there.

    Args:
        folder: of the shards, in which every worker that was at an item has one.
        shard_format: what they hold.
        records_of: the items' records, given the run that they are of.
        part: a part of the folder for them, which nobody has.
        pool_unlike_runs: as :class:`ShardWriter`.
    """
    found = await asyncio.to_thread(read_shards, folder, shard_format)
    run = attrs.evolve(found.runs[-1], run_id=uuid.uuid4().hex, started_unix_s=time.time())
    known = {record.theorem.name for record in found.records}
    items = list(records_of(run))
    if new := [record for record in items if record.theorem.name not in known]:
        async with ShardWriter(folder, shard_format, run=run, part=part, pool_unlike_runs=pool_unlike_runs) as writer:
            await asyncio.gather(*(writer.write(record, []) for record in new))
        found = await asyncio.to_thread(read_shards, folder, shard_format)
    await asyncio.to_thread(found.give_up, {record.theorem.name for record in items})
