"""Finds the theorems that a command is to work on."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from leanebm._shown import hint
from leanebm.core import Theorem
from leanebm.core.theorem_text import is_covered
from leanebm.data import (
    FileReading,
    TheoremFile,
    bundled_theorems,
    library_theorems,
    read_theorem_file,
)
from leanebm.data.conjectures import SHIPPED_CONJECTURES, SHIPPED_LOGIC, ConjectureSplit, conjectures_of
from leanebm.errors import ConfigError
from leanebm.lean import LeanPoolConfig
from leanebm.lean.absent_modules import WITHOUT_MATHLIB
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.library_run import LIBRARY_MODULES

BUNDLED = "bundled"
"""The word for the set that comes with leanebm."""

_LIBRARY = "library:"

_CONJECTURES: Final = {"conjectures:": SHIPPED_CONJECTURES, "logic:": SHIPPED_LOGIC}
"""Where the sets stand whose names begin so."""

_SPLITS = ("train", "val", "test")

_SETS = (
    BUNDLED,
    *(f"{_LIBRARY}{split}" for split in _SPLITS),
    *(f"{prefix}{split}" for prefix in _CONJECTURES for split in ConjectureSplit),
)

_MAX_SHOWN: Final = 3

_log = logging.getLogger(__name__)


def load_theorems(
    source: str | os.PathLike[str],
    *,
    max_theorems: int | None = None,
    sample: int | None = None,
    reading: FileReading | None = None,
    imports: Sequence[str] = ("Init",),
    tell: Callable[[str], None] = _log.info,
) -> tuple[Theorem, ...]:
    """Load a theorem set.

    Args:
        source: ``bundled``, ``library:train`` (or ``val``, ``test``), ``conjectures:train`` (or ``val``, ``test``,
            ``unseen``), ``logic:train`` (or the same), or a file's path.
        max_theorems: how many to take, from the front; all if ``None``.
        sample: how many to take from all over the set, by a hash of their names: always the same ones,
            and a larger sample holds a smaller one. All, in their order, if ``None``.
        reading: how a file is to be read, where it does not tell by itself.
        imports: the modules that the theorems will be stated over.
        tell: is called with a sentence for each thing that a person should know of the file: what it was taken for,
            what of it cannot be stated, and which modules it wants imported besides ``imports``.

    Raises:
        ConfigError: there is no such set, or lines of the file are wrong; every one is listed.
    """
    found = find_theorems(source, reading)
    for note in [*notes_on(found, imports), *_about_refused(found)]:
        tell(f"{os.fspath(source)}: {note}")
    theorems = found.theorems
    if sample is not None:
        theorems = tuple(sorted(theorems, key=lambda theorem: _scatter(theorem.name))[:sample])
    return theorems[:max_theorems]


def _scatter(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def fit_imports(config: RunConfig, source: str) -> RunConfig:
    """Let theorems of the library be stated: they need its modules, unless the user chose others."""
    if source.startswith(_LIBRARY) and config.lean.imports == LeanPoolConfig().imports:
        return attrs.evolve(config, lean=config.lean.over(LIBRARY_MODULES))
    return config


def find_theorems(source: str | os.PathLike[str], reading: FileReading | None = None) -> TheoremFile:
    """A theorem set as a file holds it; for what comes with leanebm, as if a file held it.

    Raises:
        ConfigError: as :func:`load_theorems`.
    """
    name = os.fspath(source)
    if name != BUNDLED and not name.startswith((_LIBRARY, *_CONJECTURES)):
        if not Path(source).exists() and (close := hint(name, _SETS)):
            raise ConfigError(f"there is no file {name}, and no theorem set of that name{close}")
        return read_theorem_file(Path(source), reading)
    if reading is not None and reading != FileReading():
        raise ConfigError(f"{name} is not a file", ["--format, --field and --split say how a file is read"])
    return TheoremFile(theorems=_of_ours(name))


def _of_ours(source: str) -> tuple[Theorem, ...]:
    if source == BUNDLED:
        return tuple(bundled_theorems())
    for prefix, path in _CONJECTURES.items():
        if source.startswith(prefix):
            return tuple(conjecture.theorem for conjecture in conjectures_of(source.removeprefix(prefix), path))
    split = source.removeprefix(_LIBRARY)
    if split not in _SPLITS:
        raise ConfigError(f"there is no split {split!r} of the library", [f"choose one of {', '.join(_SPLITS)}"])
    return tuple(item.theorem for item in library_theorems(split))


def notes_on(found: TheoremFile, imports: Sequence[str]) -> list[str]:
    """What a person should know of a file whose theorems are to be stated over ``imports``: a sentence each."""
    taken = [f"{_theorems(len(found.theorems))} taken; {found.recognised}"] if found.recognised else []
    absent = {name: count for name, count in found.imports.items() if not is_covered(name, imports)}
    return [*taken, *([_about_imports(absent, imports)] if absent else [])]


def _about_refused(found: TheoremFile) -> list[str]:
    if not found.refused:
        return []
    more = f" … and {len(found.refused) - _MAX_SHOWN} more" if len(found.refused) > _MAX_SHOWN else ""
    listed = "; ".join(found.refused[:_MAX_SHOWN])
    return [f"{len(found.refused)} left out, which cannot be stated: {listed}{more}; check-theorems lists all"]


def _theorems(count: int) -> str:
    return "one theorem" if count == 1 else f"{count} theorems"


def _about_imports(absent: Mapping[str, int], imports: Sequence[str]) -> str:
    wanted = ", ".join(f"{name} ({count})" for name, count in absent.items())
    ours = all(name.split(".")[0] in {"Std", "Lean"} for name in absent)
    advice = f"say --imports {','.join([*imports, *absent])}" if ours else WITHOUT_MATHLIB
    return (
        f"theorems want modules that this run does not import: {wanted}. They are tried without, and those that need "
        f"them will not elaborate; to mend that, {advice}"
    )
