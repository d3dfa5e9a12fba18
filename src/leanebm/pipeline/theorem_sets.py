"""Finds the theorems that a command is to work on."""

from __future__ import annotations

from pathlib import Path

from leanebm.core import Theorem
from leanebm.data import bundled_theorems, library_theorems, read_theorems
from leanebm.errors import ConfigError

__all__ = ["BUNDLED", "load_theorems"]

BUNDLED = "bundled"
"""The word for the set that comes with leanebm."""

_LIBRARY = "library:"
_SPLITS = ("train", "val", "test")


def load_theorems(source: str, *, max_theorems: int | None = None) -> tuple[Theorem, ...]:
    """Load a theorem set.

    Args:
        source: ``bundled``, ``library:train`` (or ``val``, ``test``), or a file's path.
        max_theorems: how many to take, from the front; all if ``None``.

    Raises:
        ConfigError: there is no such set, or lines of the file are wrong; every one is listed.
    """
    return _load(source)[:max_theorems]


def _load(source: str) -> tuple[Theorem, ...]:
    if source == BUNDLED:
        return tuple(bundled_theorems())
    if source.startswith(_LIBRARY):
        split = source.removeprefix(_LIBRARY)
        if split not in _SPLITS:
            raise ConfigError(f"there is no split {split!r} of the library", [f"choose one of {', '.join(_SPLITS)}"])
        return tuple(library_theorems(split))
    return tuple(read_theorems(Path(source)))
