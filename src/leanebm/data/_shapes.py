"""Which columns of a table of theorems mean what: the names under which people publish them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import attrs

from leanebm._shown import listed, shown
from leanebm.data._reading import BadLine

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "statement": (
        "formal_statement",
        "lean4_statement",
        "lean4_formalization",
        "lean4_code",
        "lean_statement",
        "lean_code",
        "theorem_statement",
        "theoremStatement",
        "refined_statement",
        "formal_theorem",
    ),
    "name": (
        "name",
        "theorem_name",
        "theoremName",
        "theorem_names",
        "problem_name",
        "full_name",
        "problem_id",
        "id",
        "uuid",
    ),
    "header": ("header", "src_header", "lean4_src_header", "lean4_header", "lean_header"),
    "context": ("context", "src_context", "srcContext"),
    "split": ("split",),
}
"""For each part of a theorem the columns that may hold it, the likeliest first."""

_SHOWN: Final = 12


@attrs.frozen(kw_only=True)
class Shape:
    """Which columns of a file hold what; any others are left aside."""

    columns: Mapping[str, tuple[str, ...]]
    """By part, the columns that may hold it. Of several for the name, the first without a name twice is taken."""

    others: tuple[str, ...]

    def __str__(self) -> str:
        taken = ", ".join(f"{part} from {columns[0]!r}" for part, columns in self.columns.items())
        aside = f"; left aside: {_listed(self.others)}" if self.others else ""
        return f"{taken}{aside}"


def find_shape(columns: Sequence[str], *, own: Collection[str], fields: Mapping[str, str]) -> Shape | None:
    """Which columns hold what; ``None`` for a table of our own, be it with a misspelt column.

    Args:
        columns: those that the table has.
        own: the columns that our own form may have.
        fields: the columns that the user named, by part.

    Raises:
        BadLine: a column that the user named is not there, or none is known to hold statements.
    """
    if problems := list(_wrong_fields(columns, fields)):
        raise BadLine("; ".join(problems))
    found = {part: tuple(name for name in names if name in columns) for part, names in COLUMNS.items()}
    chosen = {part: names for part, names in found.items() if names} | {part: (name,) for part, name in fields.items()}
    if fields and "statement" in columns:
        chosen.setdefault("statement", ("statement",))
    if "statement" in chosen:
        taken = {name for names in chosen.values() for name in names}
        return Shape(columns=chosen, others=tuple(name for name in columns if name not in taken))
    if not fields and _is_own(columns, own):
        return None
    raise BadLine(
        f"none of its columns is known to hold statements: {_listed(columns)}. Name the one that does: "
        "--field statement=COLUMN"
    )


def _wrong_fields(columns: Sequence[str], fields: Mapping[str, str]) -> Iterator[str]:
    for part, name in fields.items():
        if part not in COLUMNS:
            yield f"--field knows {', '.join(COLUMNS)}, not {shown(part)}"
        elif name not in columns:
            yield f"it has no column {shown(name)} (--field {part}), but {_listed(columns)}"


def _is_own(columns: Sequence[str], own: Collection[str]) -> bool:
    foreign = [name for name in columns if name not in own]
    meant = {"statement", "copy_from"}
    return not foreign or any(name in meant or difflib.get_close_matches(name, meant, n=1) for name in columns)


def _listed(names: Sequence[str]) -> str:
    return listed(names, _SHOWN) if names else "no columns"
