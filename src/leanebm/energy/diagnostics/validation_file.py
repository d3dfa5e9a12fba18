"""The energies behind a diagnosis, one row a state, for plots and for whoever wants to look for themselves."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final, Self

import attrs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from leanebm._shown import fitting_repr
from leanebm.energy.diagnostics.frontier_set import FrontierSet
from leanebm.energy.diagnostics.sibling_set import SiblingSet
from leanebm.errors import EnergyError
from leanebm.storage import write_atomically

__all__ = ["VALIDATION_NAME", "ValidationStates"]

VALIDATION_NAME: Final = "validation.parquet"
"""The file's name in a head's folder."""

_VERSION_KEY: Final = b"leanebm.validation.schema_version"
_VERSION: Final = b"1"

_SCHEMA: Final = pa.schema(
    [
        pa.field("part", pa.string(), nullable=False),  # siblings or frontiers
        pa.field("group", pa.int64(), nullable=False),  # decision point or snapshot, counted within the part
        pa.field("theorem", pa.string(), nullable=False),
        pa.field("on_path", pa.bool_(), nullable=False),
        pa.field("energy", pa.float64(), nullable=False),
        pa.field("log_prob", pa.float64()),  # of the last tactic (siblings) or of the path (frontiers)
        pa.field("depth", pa.int64(), nullable=False),  # of the parent (siblings) or of the node (frontiers)
        pa.field("remaining", pa.int64()),
        pa.field("dead", pa.bool_()),
        pa.field("source", pa.string()),
        pa.field("characters", pa.float64()),
        pa.field("goals", pa.float64()),
        pa.field("hypotheses", pa.float64()),
    ]
)


@attrs.frozen(kw_only=True, eq=False)
class ValidationStates:
    """What a head said of held-out states."""

    siblings: SiblingSet
    frontiers: FrontierSet | None = None

    __repr__ = fitting_repr

    def save(self, folder: Path) -> Path:
        """Write ``validation.parquet`` into ``folder``, atomically.

        Raises:
            OSError: the disk is full, the folder cannot be written …
        """
        tables = [_sibling_table(self.siblings)]
        if self.frontiers is not None:
            tables.append(_frontier_table(self.frontiers))
        buffer = io.BytesIO()
        metadata = {_VERSION_KEY: _VERSION}
        pq.write_table(pa.concat_tables(tables).replace_schema_metadata(metadata), buffer, compression="zstd")
        path = folder / VALIDATION_NAME
        write_atomically(path, buffer.getvalue())
        return path

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read ``validation.parquet`` from ``folder``.

        Raises:
            EnergyError: there is none, it is of another version, or it is damaged.
        """
        path = folder / VALIDATION_NAME
        try:
            table = pq.read_table(path)
        except FileNotFoundError:
            raise EnergyError(f"{path} does not exist: the head's energies on held-out states were not kept") from None
        except (OSError, pa.ArrowException) as error:
            raise EnergyError(f"{path} cannot be read as Parquet: {error}") from error
        if (table.schema.metadata or {}).get(_VERSION_KEY) != _VERSION or not table.schema.equals(_SCHEMA):
            raise EnergyError(f"{path} is of another version, or no file of held-out states; train the head again")
        columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
        of_siblings = columns["part"] == "siblings"
        siblings = _siblings({name: column[of_siblings] for name, column in columns.items()})
        rest = {name: column[~of_siblings] for name, column in columns.items()}
        return cls(siblings=siblings, frontiers=_frontiers(rest) if len(rest["part"]) else None)


def _sibling_table(siblings: SiblingSet) -> pa.Table:
    exists = np.column_stack([np.ones(len(siblings), dtype=bool), siblings.mask])

    def rows(positive: NDArray[Any], negative: NDArray[Any]) -> NDArray[Any]:
        laid_out: NDArray[Any] = np.concatenate([positive[:, None], negative], axis=1)[exists]
        return laid_out

    def group_column(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.broadcast_to(values[:, None], exists.shape)[exists])

    on_path = rows(np.ones(len(siblings), dtype=bool), np.zeros_like(siblings.mask))
    shape = rows(siblings.positive_shape, siblings.negative_shape)
    return _table(
        len(on_path),
        part="siblings",
        group=group_column(np.arange(len(siblings))),
        theorem=group_column(siblings.theorem),
        on_path=on_path,
        energy=rows(siblings.positive_energy, siblings.negative_energy),
        log_prob=rows(siblings.positive_log_prob, siblings.negative_log_prob),
        depth=group_column(siblings.depth),
        remaining=group_column(siblings.remaining),
        dead=rows(np.zeros(len(siblings), dtype=bool), siblings.is_dead),
        source=group_column(siblings.source),
        shape=shape,
    )


def _frontier_table(frontiers: FrontierSet) -> pa.Table:
    return _table(
        len(frontiers.energy),
        part="frontiers",
        group=frontiers.snapshot,
        theorem=frontiers.node_theorem,
        on_path=frontiers.is_on_path,
        energy=frontiers.energy,
        log_prob=frontiers.path_log_prob,
        depth=frontiers.depth,
        shape=frontiers.shape,
    )


def _table(rows: int, *, part: str, shape: NDArray[Any], **columns: NDArray[Any] | None) -> pa.Table:
    """Fill in what a part does not have; ``nan`` becomes null."""
    known: dict[str, NDArray[Any] | None] = {
        **columns,
        "part": np.full(rows, part),
        "characters": shape[:, 0],
        "goals": shape[:, 1],
        "hypotheses": shape[:, 2],
    }
    arrays = [
        pa.nulls(rows, field.type)
        if (column := known.get(field.name)) is None
        else pa.array(column.tolist() if column.dtype.kind == "U" else column, field.type, from_pandas=field.nullable)
        for field in _SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=_SCHEMA)


def _siblings(rows: dict[str, NDArray[Any]]) -> SiblingSet:
    """Fold rows back into groups: a group's first row is its positive, the others its negatives in order."""
    start = np.flatnonzero(rows["on_path"].astype(bool))
    size = np.diff(np.append(start, len(rows["group"])))
    width = int(size.max(initial=1)) - 1
    mask = np.arange(width) < (size - 1)[:, None]
    place = np.where(mask, start[:, None] + 1 + np.arange(width), 0)

    def negative(name: str) -> NDArray[Any]:
        values = rows[name].astype(np.float64)
        return np.where(mask, values[place], np.nan) if len(values) else np.zeros(mask.shape)

    def both(name: str) -> tuple[NDArray[Any], NDArray[Any]]:
        return rows[name][start].astype(np.float64), negative(name)

    energy, log_prob = both("energy"), both("log_prob")
    shapes = [both(name) for name in ("characters", "goals", "hypotheses")]
    return SiblingSet(
        positive_energy=energy[0],
        negative_energy=energy[1],
        mask=mask,
        positive_log_prob=log_prob[0],
        negative_log_prob=log_prob[1],
        is_dead=negative("dead") == 1.0,
        positive_shape=np.stack([shape[0] for shape in shapes], axis=-1),
        negative_shape=np.stack([shape[1] for shape in shapes], axis=-1),
        depth=rows["depth"][start],
        remaining=rows["remaining"][start],
        theorem=rows["theorem"][start],
        source=rows["source"][start],
    )


def _frontiers(rows: dict[str, NDArray[Any]]) -> FrontierSet:
    snapshot = rows["group"]
    start = np.flatnonzero(np.diff(snapshot, prepend=-1))
    return FrontierSet(
        theorem=rows["theorem"][start],
        size=np.diff(np.append(start, len(snapshot))),
        energy=rows["energy"],
        path_log_prob=rows["log_prob"],
        depth=rows["depth"],
        is_on_path=rows["on_path"].astype(bool),
        shape=np.stack([rows[name] for name in ("characters", "goals", "hypotheses")], axis=-1),
    )
