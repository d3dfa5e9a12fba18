"""The Parquet file of library theorems: one row per theorem, under a versioned schema."""

from __future__ import annotations

import enum
import functools
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final, Self

import attrs
import pyarrow as pa

from leanebm._shown import fitting_repr
from leanebm.core import Theorem
from leanebm.data._reading import theorem_problems
from leanebm.data._records import WRITTEN_BY, has_metadata, read_own_table
from leanebm.errors import ConfigError
from leanebm.storage import write_parquet

_TRAIN_SHARE: Final = 0.8

_VAL_SHARE: Final = 0.1


class Split(enum.StrEnum):
    """What a library theorem may be used for."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


def split_of(module: str) -> Split:
    """The split that all theorems of a module belong to: about 80 % of modules train, 10 % val, 10 % test.

    The first 8 bytes of the SHA-256 of the module's name, read as a fraction of their range, decide:
    below 0.8 is train, below 0.9 is val, the rest is test. Neighbouring lemmas are often one another's
    proof, so a module is never divided. And a module keeps its split when the library around it
    changes, so a later Lean's set cannot move today's test theorems into training.
    """
    digest = hashlib.sha256(module.encode()).digest()
    fraction = int.from_bytes(digest[:8], "big") / 2**64
    if fraction < _TRAIN_SHARE:
        return Split.TRAIN
    return Split.VAL if fraction < _TRAIN_SHARE + _VAL_SHARE else Split.TEST


@attrs.frozen(kw_only=True)
class LibraryTheorem:
    """A named theorem of an imported module."""

    name: str
    """Its full name, ``Nat.add_comm``."""

    statement: str
    """Its type as Lean prints it: for people to read, not for Lean to elaborate again."""

    module: str
    """The module that declares it, ``Init.Data.Nat.Basic``."""

    fingerprint: str
    """A hash of its type, given by Lean: equal for theorems that state the same."""

    __repr__ = fitting_repr

    @property
    def split(self) -> Split:
        """What it may be used for, by :func:`split_of` its module."""
        return split_of(self.module)

    @property
    def theorem(self) -> Theorem:
        """The statement to prove, taken from the library by name.

        While it is proved, tactics do not find it, and those that use it all the same fail. Certification refuses
        a proof that uses it.
        """
        return Theorem(name=self.name, copy_from=self.name)


LIBRARY_SCHEMA_VERSION: Final = 1

SHIPPED_LIBRARY: Final = Path(__file__).with_name("bundled") / "library.parquet"
"""The theorems of Lean's own library that come with this package."""

_VERSION_KEY: Final = "leanebm.library_schema_version"

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
    rows, _ = read_own_table(path, _SCHEMA, noun="library file", key=_VERSION_KEY, version=LIBRARY_SCHEMA_VERSION)
    if problems := [f"{what} @ {path}:row {number}" for number, what in _problems(rows)]:
        raise ConfigError(f"the library file {path} holds mistakes ({len(problems)})", problems)
    if not rows:
        raise ConfigError(f"the library file {path} holds no theorem")
    return tuple(LibraryTheorem(**{field: row[field] for field in _FIELDS}) for row in rows)


def is_library_file(path: Path) -> bool:
    """Whether a Parquet file says that it is one of library theorems, of whatever schema version."""
    return has_metadata(path, _VERSION_KEY)


def write_library_file(path: str | os.PathLike[str], theorems: Iterable[LibraryTheorem]) -> None:
    """Write library theorems atomically; :func:`read_library_file` gives them back equal.

    Raises:
        ConfigError: a name comes twice or cannot be a library theorem's, or there is nothing to write.
        OSError: the file cannot be written.
    """
    rows = [
        {**{field: getattr(theorem, field) for field in _FIELDS}, "split": str(theorem.split)} for theorem in theorems
    ]
    if not rows:
        raise ConfigError(f"there are no theorems to write to {path}")
    if problems := [f"{what} @ theorem {number}" for number, what in _problems(rows)]:
        raise ConfigError(f"{path} was not written: not all theorems could be read back from it", problems)
    schema = _SCHEMA.with_metadata({**(_SCHEMA.metadata or {}), WRITTEN_BY: version("leanebm")})
    write_parquet(path, pa.Table.from_pylist(rows, schema=schema))


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


MAX_LIBRARY_STATEMENT_CHARS: Final = 400
"""Longest printed statement kept, in characters; beyond it stand tables and recursors."""

_GENERATED: Final = re.compile(
    r"eq_\d+|eq_def|eq_unfold|\d+"  # a definition's equations
    r"|injEq|inj|sizeOf_spec|noConfusion(?:Type)?|ext_iff|elim_eq|\w*[cC]torIdx"  # a structure's or inductive's
    r"|match_\d+|proof_\d+|congr_simp|hcongr_\d+|splitter"  # an elaborated term's
    r"|rec|recOn|casesOn|brecOn(?:_\d+)?|below(?:_\d+)?"  # recursion's
    r"|(?:mutual_)?induct(?:_unfolding)?|fun_cases(?:_unfolding)?"  # a recursive function's
    r"|inst[A-Z].*"  # an instance without a name of its own
)
"""Name parts that Lean makes by itself."""

_MACHINERY: Final = frozenset(
    {"Lean", "Internal", "Linear", "Grind", "Omega", "Tactic", "SOM", "Meta", "Elab", "Macro", "Syntax", "Simproc"}
)
"""Namespaces of lemmas that exist for a tactic's own proofs."""

_UNREADABLE: Final = ("✝", "⋯", "sorry", "motive")
"""Marks of a statement nobody wrote: inaccessible names, elided proofs, recursors."""


def why_unworthy(theorem: LibraryTheorem) -> str | None:
    """Why no person would state this theorem, in a word or two; ``None`` if one would."""
    parts = theorem.name.split(".")
    if any(part.startswith("_") or not part.isprintable() for part in parts):
        return "not public"
    if any(_GENERATED.fullmatch(part) for part in parts):
        return "generated"
    if not _MACHINERY.isdisjoint(parts):
        return "machinery"
    if any(mark in theorem.statement for mark in _UNREADABLE):
        return "unreadable"
    if len(theorem.statement) > MAX_LIBRARY_STATEMENT_CHARS:
        return "too long"
    return None


@attrs.frozen
class LibrarySelection:
    """What was kept of the library, and why the rest was not."""

    kept: tuple[LibraryTheorem, ...]
    """In the order they came."""

    dropped: Mapping[str, int]
    """How many theorems were left out, by reason."""

    __repr__ = fitting_repr

    @classmethod
    def of(cls, theorems: Iterable[LibraryTheorem]) -> Self:
        """Keep what a person would state, and each statement once.

        Of theorems with equal fingerprints (deprecated aliases, restatements) the first one stays:
        a proof by ``exact`` and the other's name would prove nothing.
        """
        kept: dict[str, LibraryTheorem] = {}
        dropped: Counter[str] = Counter()
        for theorem in theorems:
            reason = why_unworthy(theorem)
            if reason is not None:
                dropped[reason] += 1
            elif theorem.fingerprint in kept:
                dropped["stated before"] += 1
            else:
                kept[theorem.fingerprint] = theorem
        return cls(tuple(kept.values()), dict(dropped))
