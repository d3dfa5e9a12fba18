"""Take the theorems of Lean's own library out of a worker, to be proved again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import attrs

from leanebm.data import LibrarySelection, LibraryTheorem, write_library_file
from leanebm.lean import LeanPool, LeanPoolConfig
from leanebm.lean.requests import env_theorems
from leanebm.pipeline.events import LogObserver, Observer, StageProgressed
from leanebm.pipeline.workbench import open_lean, stage

__all__ = ["LIBRARY_MODULES", "extract_library"]

LIBRARY_MODULES = ("Init", "Std")
"""Whose theorems are taken by default: what a program imports, without the compiler's own."""

_EXTRACTING = "reading the library"
_PAGE_DEADLINE_S = 300.0


async def extract_library(
    path: Path,
    config: LeanPoolConfig,
    *,
    modules: Sequence[str] = LIBRARY_MODULES,
    page: int = 200,
    observer: Observer | None = None,
) -> LibrarySelection:
    """List the theorems of ``modules`` and everything below them, keep those a person would state, write them.

    Args:
        path: the Parquet file to write.
        config: which Lean; its imports are replaced by ``modules``, and one worker is enough.
        modules: module prefixes.
        page: constants that are looked at in one request.
        observer: is told what happens.

    Raises:
        LeanError: Lean cannot be started, or does not know the command (Pantograph does not).
    """
    observer = LogObserver() if observer is None else observer
    async with open_lean(attrs.evolve(config, imports=tuple(modules), num_workers=1), observer) as pool:
        with stage(observer, _EXTRACTING):
            selection = LibrarySelection.of([theorem async for theorem in _library(pool, modules, page, observer)])
    write_library_file(path, selection.kept)
    return selection


async def _library(
    pool: LeanPool, modules: Sequence[str], page: int, observer: Observer
) -> AsyncIterator[LibraryTheorem]:
    offset: int | None = 0
    found = 0
    while offset is not None:
        answer = await pool.ask(env_theorems(modules, offset=offset, limit=page), deadline_s=_PAGE_DEADLINE_S)
        for theorem in answer.theorems:
            yield LibraryTheorem(
                name=theorem.name,
                module=theorem.module,
                statement=theorem.statement,
                fingerprint=theorem.fingerprint,
            )
        found += len(answer.theorems)
        offset = answer.next_offset
        observer.notify(StageProgressed(_EXTRACTING, f"{found} theorems", None))
