"""Takes the theorems of Lean's own library, to be proved again."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, final

import attrs

from leanebm._shown import named_repr
from leanebm.data import LibrarySelection, LibraryTheorem, write_library_file
from leanebm.lean import LeanPool, LeanPoolConfig
from leanebm.lean.requests import env_theorems
from leanebm.pipeline.events import LogObserver, Observer, Stage, stage
from leanebm.pipeline.workbench import open_lean

LIBRARY_MODULES = ("Init", "Std")
"""The modules whose theorems are taken by default: what a program imports, without the compiler's own."""

_PAGE_DEADLINE_S: Final = 300.0


@final
class LibraryRun:
    """One reading of the library: the theorems of ``modules`` that a person would state, in one file.

    Args:
        config: which Lean; its imports are replaced by ``modules``, and one worker is enough.
        path: the Parquet file to write.
        modules: module prefixes; everything below them is read, too.
        page: constants that are looked at in one request, at least 1.
        observer: is told what happens.
    """

    def __init__(
        self,
        config: LeanPoolConfig,
        path: str | os.PathLike[str],
        *,
        modules: Sequence[str] = LIBRARY_MODULES,
        page: int = 200,
        observer: Observer | None = None,
    ) -> None:
        self._config = attrs.evolve(config, num_workers=1).over(modules)
        self._path = Path(path)
        self._modules = modules
        self._page = page
        self._observer = LogObserver() if observer is None else observer

    __repr__ = named_repr("_path", "_modules")

    async def run(self) -> LibrarySelection:
        """List the theorems, keep those a person would state, and write them.

        Raises:
            LeanError: Lean cannot be started, or does not know the command (Pantograph does not).
        """
        async with open_lean(self._config, self._observer) as pool:
            with stage(self._observer, "reading the library") as reading:
                selection = LibrarySelection.of([theorem async for theorem in self._theorems(pool, reading)])
        write_library_file(self._path, selection.kept)
        return selection

    async def _theorems(self, pool: LeanPool, reading: Stage) -> AsyncIterator[LibraryTheorem]:
        offset: int | None = 0
        found = 0
        while offset is not None:
            request = env_theorems(self._modules, offset=offset, limit=self._page)
            answer = await pool.ask(request, deadline_s=_PAGE_DEADLINE_S)
            for theorem in answer.theorems:
                yield LibraryTheorem(
                    name=theorem.name,
                    module=theorem.module,
                    statement=theorem.statement,
                    fingerprint=theorem.fingerprint,
                )
            found += len(answer.theorems)
            offset = answer.next_offset
            reading.progressed(done=found, counts="theorems")
