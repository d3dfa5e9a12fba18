"""Finds the theorems that a command is to work on."""

from __future__ import annotations

import difflib
import hashlib
import os
from pathlib import Path

import attrs

from leanebm.core import Theorem
from leanebm.data import bundled_theorems, library_theorems, read_theorems
from leanebm.errors import ConfigError
from leanebm.lean import LeanPoolConfig
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.library_run import LIBRARY_MODULES

BUNDLED = "bundled"

"""The word for the set that comes with leanebm."""

_LIBRARY = "library:"

_SPLITS = ("train", "val", "test")

_SETS = (BUNDLED, *(f"{_LIBRARY}{split}" for split in _SPLITS))


def load_theorems(
    source: str | os.PathLike[str], *, max_theorems: int | None = None, sample: int | None = None
) -> tuple[Theorem, ...]:
    """Load a theorem set.

    Args:
        source: ``bundled``, ``library:train`` (or ``val``, ``test``), or a file's path.
        max_theorems: how many to take, from the front; all if ``None``.
        sample: how many to take from all over the set, by a hash of their names: always the same ones,
            and a larger sample holds a smaller one. All, in their order, if ``None``.

    Raises:
        ConfigError: there is no such set, or lines of the file are wrong; every one is listed.
    """
    theorems = _load(os.fspath(source))
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
    if not Path(source).exists() and (close := difflib.get_close_matches(source, _SETS, n=1)):
        raise ConfigError(f"there is no file {source}, and no theorem set of that name: did you mean {close[0]}?")
    return tuple(read_theorems(Path(source)))
