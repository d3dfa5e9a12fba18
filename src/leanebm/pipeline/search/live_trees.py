"""The trees of searches that go on, for whoever looks on: what `leanebm view --serve` shows of them."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self, final

import attrs

from leanebm._cancelled import uninterrupted
from leanebm._shown import fitting_repr, named_repr
from leanebm._viewer import TREE_COLUMNS, as_json, theorem_json, tree_json
from leanebm.search import SearchProgress
from leanebm.storage import file_stem, open_regular

_log = logging.getLogger(__name__)

SEARCHING: Final = "searching"
SILENT: Final = "silent"
"""Beside the outcomes that a search can have: it goes on, or it has not been heard of for some time."""

_TICK_S: Final = 1.0

_TICKS_PER_BEAT: Final = 10
"""A file whose tree stands still gets a new time so often, as a sign of life."""

_SILENCE_S: Final = 60.0
"""Without a sign of life after which nobody says any more that a search goes on."""

_SHARE: Final = 0.01
"""Of a process's time goes into these files; a large tree is written more rarely than a small one."""

_MAX_CREDIT_S: Final = 0.1
"""What was not used for long is not made up for at once."""

_MAX_NODES: Final = 10_000
"""Of a tree that is written before its search has ended."""

_MAX_TREE_BYTES: Final = 32 * 2**20

_NO_TREE: Final = as_json({name: [] for name in TREE_COLUMNS})

_TOO_LARGE: Final = "the tree is too large to be shown before the search has ended"


@final
class LiveTrees:
    """Writes what a process is searching into files, one a theorem; an ``async with``.

    Nothing depends on them: they are no results, are not made durable, and go when the theorem's record is on the disk.
    Those of a killed process stay until the next one that takes its folder.

    Args:
        folder: this process's own; emptied when it is entered and removed when it is left.
        run_id: of the run that searches.
        running: progress by the theorem's name. Others change it; what leaves it is on the disk.
    """

    def __init__(self, folder: Path, run_id: str, running: Mapping[str, SearchProgress]) -> None:
        self._folder = folder
        self._run_id = run_id
        self._running = running
        self._written: dict[str, tuple[int, ...]] = {}
        """How far each tree had grown that is in a file; the one that was written last comes last."""

        self._credit_s = 0.0
        self._writing: asyncio.Task[None] | None = None

    __repr__ = named_repr("_folder")

    async def __aenter__(self) -> Self:
        """Write from now on."""
        await asyncio.to_thread(self._remove_all)
        self._writing = asyncio.create_task(self._keep_writing(), name=f"trees of {self._folder}")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop, and leave no file."""
        if self._writing is not None:
            self._writing.cancel()
            await uninterrupted(self._end(self._writing))

    async def _end(self, writing: asyncio.Task[None]) -> None:
        await asyncio.wait([writing])
        await asyncio.to_thread(self._remove_all)

    async def _keep_writing(self) -> None:
        ticks = 0
        try:
            while True:
                await asyncio.sleep(_TICK_S)
                ticks += 1
                await self.write_some()
                if ticks % _TICKS_PER_BEAT == 0:
                    await uninterrupted(asyncio.to_thread(self._beat))
        except Exception as error:  # noqa: BLE001 - nothing depends on these files, so nothing may end for them
            _log.warning("%s: searches that go on are not shown any more: %r", self._folder, error)

    async def write_some(self) -> None:
        """Write the trees that have grown, of which the time allows; those first that were not written for longest."""
        self._credit_s = min(self._credit_s + _SHARE * _TICK_S, _MAX_CREDIT_S)
        for name in self._written.keys() - self._running.keys():
            del self._written[name]
            await uninterrupted(asyncio.to_thread(self._file(name).unlink, missing_ok=True))
        new = [name for name in self._running if name not in self._written]
        for name in [*new, *self._written]:
            progress = self._running.get(name)
            if progress is None or self._written.get(name) == (size := _size(progress)):
                continue
            if self._credit_s <= 0.0:
                return
            started_s = time.perf_counter()
            self._written.pop(name, None)
            self._written[name] = size
            await uninterrupted(asyncio.to_thread(self._write, name, *self._seen(progress)))
            self._credit_s -= time.perf_counter() - started_s

    def _seen(self, progress: SearchProgress) -> tuple[dict[str, Any], Sequence[dict[str, Any]]]:
        """What is known of a theorem and of each node, taken while no search goes on."""
        found = progress.result()
        too_large = len(found.nodes) > _MAX_NODES
        error = _TOO_LARGE if too_large else None
        about = theorem_json(found, found.statistics, error=error)
        about |= {"outcome": SEARCHING, "searched": f"{self._run_id} {_size(progress)}", "run_id": self._run_id}
        return about, [] if too_large else found.node_rows()

    def _write(self, name: str, about: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
        tree = as_json(tree_json({column: [row[column] for row in rows] for column in TREE_COLUMNS}))
        if len(tree) > _MAX_TREE_BYTES:
            tree, about["error"] = _NO_TREE, _TOO_LARGE
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._file(name)
        scratch = file.with_suffix(".part")
        scratch.write_text(f"{as_json(about)}\n{tree}\n", encoding="ascii")
        scratch.replace(file)

    def _beat(self) -> None:
        for name in self._written:
            with suppress(FileNotFoundError):  # somebody tidied up; it is written again when the tree has grown
                os.utime(self._file(name))

    def _remove_all(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        with suppress(OSError):  # other workers have theirs beside it
            self._folder.parent.rmdir()

    def _file(self, name: str) -> Path:
        return self._folder / f"{file_stem(name)}.jsonl"


def _size(progress: SearchProgress) -> tuple[int, ...]:
    """What differs if anything about a search has changed since."""
    return len(progress.tree.nodes), progress.meter.expansions, progress.meter.tactic_calls


@attrs.frozen
class LiveTree:
    """What one of these files says."""

    file: Path
    about: dict[str, Any] = attrs.field(repr=False)
    """The theorem as a whole: :func:`leanebm._viewer.theorem_json`, ``searched`` and ``run_id``."""

    @property
    def name(self) -> str:
        """The theorem's."""
        return str(self.about["name"])

    @property
    def run_id(self) -> str:
        """The run that searches it."""
        return str(self.about["run_id"])

    __repr__ = fitting_repr

    def tree(self) -> str:
        """The tree in the form of :func:`leanebm._viewer.tree_json`, as JSON; without nodes if the file has gone."""
        try:
            with open_regular(self.file) as file:
                file.readline()
                return file.read(_MAX_TREE_BYTES + 1).decode("ascii", errors="replace")
        except OSError:
            return _NO_TREE


@final
@attrs.define
class LiveReader:
    """Looks at the files of all processes that share a run's folder.

    Whether a search still goes on is not known, only how old its file is. Clocks of machines may not agree, so a file
    that changes while it is looked at is never old.
    """

    folder: Path
    """What holds the processes' folders."""

    _heard: dict[Path, tuple[float, float]] = attrs.field(init=False, factory=dict, repr=False)
    """The time of each file, and when by the clock of this process it was seen to change."""

    def read(self) -> list[LiveTree]:
        """What is being searched, as far as there are files; of one theorem, the file that changed last."""
        before, self._heard = self._heard, {}
        found: dict[str, tuple[float, LiveTree]] = {}
        for file in sorted(self.folder.glob("*/*.jsonl")):
            with suppress(OSError, ValueError, RecursionError):  # it has just gone, or is nothing that was written here
                changed_unix_s = file.stat().st_mtime
                self._heard[file] = self._hear(changed_unix_s, *before.get(file, (changed_unix_s, -math.inf)))
                live = _told_by(file, self._is_silent(file), changed_unix_s)
                if live.name not in found or found[live.name][0] < changed_unix_s:
                    found[live.name] = changed_unix_s, live
        return [live for _, live in found.values()]

    def _hear(self, changed_unix_s: float, before_unix_s: float, heard_s: float) -> tuple[float, float]:
        return changed_unix_s, heard_s if changed_unix_s == before_unix_s else time.monotonic()

    def _is_silent(self, file: Path) -> bool:
        changed_unix_s, heard_s = self._heard[file]
        return min(time.monotonic() - heard_s, abs(time.time() - changed_unix_s)) > _SILENCE_S


def _told_by(file: Path, is_silent: bool, changed_unix_s: float) -> LiveTree:
    with open_regular(file) as opened:
        about = json.loads(opened.readline(_MAX_TREE_BYTES))
    if not isinstance(about, dict) or not {"name", "run_id", "searched"} <= about.keys():
        raise ValueError(f"{file} is no file of a search")
    if is_silent:
        heard = datetime.fromtimestamp(changed_unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        about |= {"outcome": SILENT, "error": f"last heard of at {heard}: the run was killed, or hangs"}
    return LiveTree(file, about)
