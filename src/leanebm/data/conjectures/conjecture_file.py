"""The Parquet file of conjectures: one row per statement, under a versioned schema."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import pyarrow as pa

from leanebm._shown import fitting_repr
from leanebm.data._reading import theorem_problems
from leanebm.data._records import has_metadata, read_own_table
from leanebm.data.conjectures.conjecture import Conjecture, ConjectureSplit
from leanebm.errors import ConfigError
from leanebm.storage import write_parquet

CONJECTURE_SCHEMA_VERSION: Final = 1

SHIPPED_CONJECTURES: Final = Path(__file__).parent.with_name("bundled") / "conjectures.parquet"
"""The conjectures that come with this package, of all families, that no automation tactic proves by itself."""

SHIPPED_LOGIC: Final = SHIPPED_CONJECTURES.with_name("logic.parquet")
"""Formulas that come with this package, for searches without automation; nobody asked what proves them by itself."""

_VERSION_KEY: Final = "leanebm.conjecture_schema_version"
_PREFIX: Final = "leanebm."


def _column(name: str, type_: pa.DataType, meaning: str) -> pa.Field:
    return pa.field(name, type_, nullable=False, metadata={"meaning": meaning})


CONJECTURE_SCHEMA: Final = pa.schema(
    [
        _column("name", pa.string(), "family and a hash of the statement; unique in the file"),
        _column("statement", pa.string(), "a Lean proposition over Init"),
        _column("family", pa.string(), "which family made it"),
        _column("skeleton", pa.string(), "the statement with every name as _ and every numeral as 0"),
        _column("difficulty", pa.int8(), "the knob it was made with; 1 is easiest"),
        _column("flavour", pa.string(), "intuitionistic or classical; empty where the family cannot tell"),
        _column("closed_by", pa.string(), "an automation tactic that proves it although it was kept; mostly empty"),
        _column("split", pa.string(), "train, val, test, or unseen for families that are held out"),
    ]
)
"""What each column means stands in its metadata."""


@attrs.frozen
class ConjectureFile:
    """What a file of conjectures holds."""

    conjectures: tuple[Conjecture, ...] = attrs.field(repr=False)

    provenance: Mapping[str, str]
    """How they were made: ``command``, ``seed``, ``lean_version`` …"""

    __repr__ = fitting_repr


@functools.cache
def conjectures_of(split: ConjectureSplit | str, path: Path = SHIPPED_CONJECTURES) -> tuple[Conjecture, ...]:
    """The conjectures of one split (``train``, ``val``, ``test`` or ``unseen``) of a file that is shipped.

    Raises:
        ConfigError: there is no such split, or the package was installed without its data file.
    """
    try:
        wanted = ConjectureSplit(split)
    except ValueError as error:
        raise ConfigError(f"there is no split {split!r}; choose {', '.join(ConjectureSplit)}") from error
    held = read_conjecture_file(path).conjectures
    return tuple(conjecture for conjecture in held if conjecture.split is wanted)


def is_conjecture_file(path: Path) -> bool:
    """Whether a Parquet file says that it is one of conjectures, of whatever schema version."""
    return has_metadata(path, _VERSION_KEY)


def read_conjecture_file(path: str | os.PathLike[str]) -> ConjectureFile:
    """All conjectures of a file that :func:`write_conjecture_file` wrote, in its order.

    Raises:
        ConfigError: the file cannot be read, is of another schema, holds nothing, or holds mistakes; every one of
            them is listed as ``what @ file:row N``.
    """
    path = Path(path)
    rows, metadata = read_own_table(
        path, CONJECTURE_SCHEMA, noun="conjecture file", key=_VERSION_KEY, version=CONJECTURE_SCHEMA_VERSION
    )
    if problems := [f"{what} @ {path}:row {number}" for number, what in _problems(rows)]:
        raise ConfigError(f"the conjecture file {path} holds mistakes ({len(problems)})", problems)
    if not rows:
        raise ConfigError(f"the conjecture file {path} holds no conjecture")
    del metadata[_VERSION_KEY]
    told = {key.removeprefix(_PREFIX): value for key, value in metadata.items() if key.startswith(_PREFIX)}
    return ConjectureFile(tuple(map(_conjecture, rows)), told)


def write_conjecture_file(path: str | os.PathLike[str], file: ConjectureFile) -> None:
    """Write conjectures atomically; :func:`read_conjecture_file` gives them back equal.

    Raises:
        ConfigError: two are the same, or there is nothing to write.
        OSError: the file cannot be written.
    """
    rows = [_row(conjecture) for conjecture in file.conjectures]
    if not rows:
        raise ConfigError(f"there are no conjectures to write to {path}")
    if problems := [f"{what} @ conjecture {number}" for number, what in _problems(rows)]:
        raise ConfigError(f"{path} was not written: not all conjectures could be read back from it", problems)
    told = {f"{_PREFIX}{key}": value for key, value in file.provenance.items()}
    schema = CONJECTURE_SCHEMA.with_metadata({_VERSION_KEY: str(CONJECTURE_SCHEMA_VERSION), **told})
    write_parquet(path, pa.Table.from_pylist(rows, schema=schema), compression_level=19, row_group_size=1 << 20)


def _row(conjecture: Conjecture) -> dict[str, Any]:
    return {"name": conjecture.name, **attrs.asdict(conjecture), "split": str(conjecture.split)}


def _conjecture(row: Mapping[str, Any]) -> Conjecture:
    values = {name: value for name, value in row.items() if name != "name"}
    return Conjecture(**values | {"split": ConjectureSplit(row["split"])})


def _problems(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, str]]:
    first_use: dict[str, int] = {}
    split_of: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        if row["split"] not in list(ConjectureSplit):
            yield number, f"there is no split {row['split']!r}"
            continue
        conjecture = _conjecture(row)
        yield from ((number, problem) for problem in theorem_problems(conjecture.theorem))
        if row["name"] != conjecture.name:
            yield number, f"the name is {row['name']!r}, but the statement's is {conjecture.name!r}"
        if (first := first_use.setdefault(conjecture.name, number)) != number:
            yield number, f"the statement is already in row {first}"
        if split_of.setdefault(conjecture.skeleton, row["split"]) != row["split"]:
            yield number, f"its skeleton is already in the split {split_of[conjecture.skeleton]}"
