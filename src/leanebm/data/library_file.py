"""The Parquet file of library theorems: one row a theorem, under a versioned schema."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from leanebm.data._checks import theorem_problems
from leanebm.data.library_theorem import LibraryTheorem, Split, split_of
from leanebm.errors import ConfigError
from leanebm.storage import write_atomically

__all__ = [
    "LIBRARY_SCHEMA_VERSION",
    "SHIPPED_LIBRARY",
    "library_modules",
    "library_theorems",
    "read_library_file",
    "write_library_file",
]

LIBRARY_SCHEMA_VERSION: Final = 1

SHIPPED_LIBRARY: Final = Path(__file__).with_name("bundled") / "library.parquet"
"""The theorems of Lean's own library that come with this package."""

_VERSION_KEY: Final = b"leanebm.library_schema_version"
_FIELDS: Final = ("name", "statement", "module", "fingerprint")
_SCHEMA: Final = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in (*_FIELDS, "split")],
    metadata={_VERSION_KEY: str(LIBRARY_SCHEMA_VERSION)},
)


def library_theorems(split: Split | str) -> tuple[LibraryTheorem, ...]:
    """The shipped library theorems of one split (``train``, ``val`` or ``test``).

    Raises:
        ConfigError: there is no such split, or the package was installed without its data file.
    """
    try:
        wanted = Split(split)
    except ValueError as error:
        raise ConfigError(f"there is no split {split!r}; choose {', '.join(Split)}") from error
    return tuple(theorem for theorem in read_library_file(SHIPPED_LIBRARY) if theorem.split is wanted)


@functools.cache
def library_modules() -> Mapping[str, str]:
    """The module of every theorem of the shipped library, by name.

    Raises:
        ConfigError: the package was installed without its data file.
    """
    return {theorem.name: theorem.module for theorem in read_library_file(SHIPPED_LIBRARY)}


def read_library_file(path: str | os.PathLike[str]) -> tuple[LibraryTheorem, ...]:
    """All theorems of a file that :func:`write_library_file` wrote, in its order.

    Raises:
        ConfigError: the file cannot be read, is of another schema, holds no theorem, or holds mistakes;
            every one of them is listed as ``what @ file:row N``.
    """
    path = Path(path)
    rows = _rows(path)
    if problems := [f"{what} @ {path}:row {number}" for number, what in _problems(rows)]:
        raise ConfigError(f"the library file {path} holds mistakes ({len(problems)})", problems)
    if not rows:
        raise ConfigError(f"the library file {path} holds no theorem")
    return tuple(LibraryTheorem(**{field: row[field] for field in _FIELDS}) for row in rows)


def write_library_file(path: str | os.PathLike[str], theorems: Iterable[LibraryTheorem]) -> None:
    """Write library theorems atomically; :func:`read_library_file` gives them back equal.

    Raises:
        ConfigError: a name comes twice or is no library name, or there is nothing to write.
        OSError: the file cannot be written.
    """
    path = Path(path)
    rows = [
        {**{field: getattr(theorem, field) for field in _FIELDS}, "split": str(theorem.split)} for theorem in theorems
    ]
    if not rows:
        raise ConfigError(f"there are no theorems to write to {path}")
    if problems := [f"{what} @ theorem {number}" for number, what in _problems(rows)]:
        raise ConfigError(f"{path} was not written: not all theorems could be read back from it", problems)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with pq.ParquetFile(path) as file:
            _check_schema(path, file.schema_arrow)
            rows: list[dict[str, str]] = file.read(columns=_SCHEMA.names).to_pylist()
    except OSError as error:
        raise ConfigError(f"cannot read the library file {path}: {error.strerror or error}") from error
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is damaged, or no Parquet file: {error}") from error
    return rows


def _check_schema(path: Path, schema: pa.Schema) -> None:
    version = (schema.metadata or {}).get(_VERSION_KEY, b"").decode(errors="replace")
    if version != str(LIBRARY_SCHEMA_VERSION) or not schema.equals(_SCHEMA):
        raise ConfigError(
            f"{path} has the columns {', '.join(schema.names)} in schema version {version or '(none)'}; a library "
            f"file has {', '.join(_SCHEMA.names)} in version {LIBRARY_SCHEMA_VERSION}"
        )


def _problems(rows: Iterable[Mapping[str, str]]) -> Iterator[tuple[int, str]]:
    first_use: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        name, module = row["name"], row["module"]
        if not name.strip():
            yield number, "the name is empty"
            continue
        theorem = LibraryTheorem(**{field: row[field] for field in _FIELDS}).theorem
        for problem in theorem_problems(theorem):
            yield number, problem
        first = first_use.setdefault(name, number)
        if first != number:
            yield number, f"the name {name!r} is already used in row {first}"
        if row["split"] != split_of(module):
            yield number, f"the split is {row['split']!r}, but {module} belongs to {split_of(module)}"
