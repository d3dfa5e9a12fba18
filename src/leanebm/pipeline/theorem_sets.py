"""Finds the theorems that a command is to work on."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import attrs

from leanebm.core import Theorem
from leanebm.data import (
    LibrarySelection,
    LibraryTheorem,
    bundled_theorems,
    library_theorems,
    read_theorems,
    write_library_file,
)
from leanebm.errors import ConfigError
from leanebm.lean import LeanPool, LeanPoolConfig
from leanebm.lean.requests import env_theorems
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.events import LogObserver, Observer, StageProgressed
from leanebm.pipeline.workbench import open_lean, stage

__all__ = ["BUNDLED", "LIBRARY_MODULES", "extract_library", "fit_imports", "load_theorems"]

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


BUNDLED = "bundled"

"""The word for the set that comes with leanebm."""

_LIBRARY = "library:"

_SPLITS = ("train", "val", "test")


def load_theorems(source: str, *, max_theorems: int | None = None, sample: int | None = None) -> tuple[Theorem, ...]:
    """Load a theorem set.

    Args:
        source: ``bundled``, ``library:train`` (or ``val``, ``test``), or a file's path.
        max_theorems: how many to take, from the front; all if ``None``.
        sample: how many to take from all over the set, by a hash of their names: always the same ones,
            and a larger sample holds a smaller one. All, in their order, if ``None``.

    Raises:
        ConfigError: there is no such set, or lines of the file are wrong; every one is listed.
    """
    theorems = _load(source)
    if sample is not None:
        theorems = tuple(sorted(theorems, key=lambda theorem: _scatter(theorem.name))[:sample])
    return theorems[:max_theorems]


def _scatter(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def fit_imports(config: RunConfig, source: str) -> RunConfig:
    """Let theorems of the library be stated: they need its modules, unless the user chose others."""
    if source.startswith(_LIBRARY) and config.lean.imports == LeanPoolConfig().imports:
        return attrs.evolve(config, lean=attrs.evolve(config.lean, imports=LIBRARY_MODULES))
    return config


def _load(source: str) -> tuple[Theorem, ...]:
    if source == BUNDLED:
        return tuple(bundled_theorems())
    if source.startswith(_LIBRARY):
        split = source.removeprefix(_LIBRARY)
        if split not in _SPLITS:
            raise ConfigError(f"there is no split {split!r} of the library", [f"choose one of {', '.join(_SPLITS)}"])
        return tuple(item.theorem for item in library_theorems(split))
    return tuple(read_theorems(Path(source)))
