"""One folder of shards out of several, and out of the parts that workers wrote."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import ExitStack
from pathlib import Path

from filelock import Timeout

from leanebm.errors import ConfigError, TrajectoryError
from leanebm.storage.atomic_file import not_written, remove_scratch, sync_directory, write_atomically
from leanebm.storage.firsts import FIRSTS_FOLDER
from leanebm.storage.shard import (
    R,
    Shard,
    ShardFormat,
    ShardSet,
    T,
    next_number,
    own_shard_paths,
    read_shards,
    shard_path,
    shard_paths,
)
from leanebm.storage.shard_writer import lock_of

_log = logging.getLogger(__name__)


def merge_shards(
    folders: Sequence[str | os.PathLike[str]],
    into: str | os.PathLike[str],
    shard_format: ShardFormat[R, T],
    *,
    finish: Callable[[], None] | None = None,
) -> None:
    """Bring the shards of ``folders``, and of the parts in them, together in ``into``.

    Shards are moved or copied in their order, and without what does not count because another worker was first: so the
    same records count as before, and those of earlier folders before those of later ones. A theorem that was given up
    counts with the final record that came too late, if there is one. What is there already is left out. If it is
    stopped, what counts is still all there, and it can be done again. Only what a worker writes is removed: in its
    part, other files stay.

    Args:
        folders: what to merge; only shards of ``into`` itself are moved.
        into: one of them, or a folder of its own.
        shard_format: what the shards hold.
        finish: is called at the end, while nobody else can write to ``into``.

    Raises:
        ConfigError: the folders' runs differ in what results depend on, or ``into`` cannot be written to.
        TrajectoryError: a shard is damaged; somebody writes to ``into``; or the disk is full.
    """
    sources, into = [Path(folder) for folder in folders], Path(into)
    _compare(sources, shard_format)
    try:
        into.mkdir(parents=True, exist_ok=True)
        with ExitStack() as locks:
            locks.enter_context(lock_of(into).acquire(timeout=0))
            for part in _parts(into):  # none joins from now on
                locks.enter_context(lock_of(part).acquire(timeout=0))
            _gather(sources, into, shard_format)
            for part in _parts(into):
                _remove(part)
            shutil.rmtree(into / FIRSTS_FOLDER, ignore_errors=True)
            if finish is not None:
                finish()
    except Timeout as error:
        raise TrajectoryError(f"another process is writing to {into}; wait for it, or stop it") from error
    except OSError as error:
        raise not_written(into, error) from error


def _compare(folders: Sequence[Path], shard_format: ShardFormat[R, T]) -> None:
    """Of each folder the newest run speaks for all: they were compared when they were written."""
    first, *others = (
        max(read_shards(folder, shard_format).runs, key=lambda run: run.started_unix_s) for folder in folders
    )
    for folder, other in zip(folders[1:], others, strict=True):
        if differences := first.differences(other):
            raise ConfigError(
                f"{folders[0]} and {folder} come from unlike runs, so their results must not be merged. The first has:",
                differences,
            )


def _parts(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_dir() and path.name != FIRSTS_FOLDER)


def _gather(folders: Sequence[Path], into: Path, shard_format: ShardFormat[R, T]) -> None:
    """Put a shard of each record into ``into``; one that holds what is there already stays where it is."""
    own = own_shard_paths(into)
    seen = set[tuple[str, str]]().union(*(Shard.open(path, shard_format).entries for path in own))
    number = next_number(into)
    others: dict[Path, set[tuple[str, str]]] = {}
    for folder in (folder for folder in (into, *folders) if shard_paths(folder)):
        found = read_shards(folder, shard_format)
        others |= {shard.path: found.outdone for shard in found.shards if shard.path not in {*own, *others}}
    for path, outdone in others.items():
        shard = Shard.open(path, shard_format)
        if new := shard.entries - outdone - seen:
            _put(shard, outdone, shard_path(into, number), move=path.is_relative_to(into))
            number += 1
            seen |= new
    if number == 0 and others:  # nothing was found: what the workers signed with says how they would have
        first = Shard.open(next(iter(others)), shard_format)
        _put(first, set(), shard_path(into, number), move=first.path.is_relative_to(into))


def _remove(part: Path) -> None:
    """Remove what a worker wrote to its part, all of which is in the folder itself by now."""
    remove_scratch(part)
    for path in [*own_shard_paths(part), part / ".lock"]:
        path.unlink(missing_ok=True)
    try:
        part.rmdir()
    except OSError:
        _log.warning("%s stays: there is something else in it, which was not merged", part)


def _put(shard: Shard[R, T], outdone: Set[tuple[str, str]], target: Path, *, move: bool) -> None:
    if shard.entries & outdone:
        kept = [record for record in shard.records if (record.run_id, record.theorem.name) not in outdone]
        all_rows = ShardSet(shard.path, shard.format, (shard,)).rows()
        rows = [row for row in all_rows if any(shard.format.owns(record, row) for record in kept)]
        Shard.write(target, shard.format, shard.run, kept, rows)
        return
    if move:
        shard.path.replace(target)
        sync_directory(target.parent)
    else:
        write_atomically(target, shard.path.read_bytes())
