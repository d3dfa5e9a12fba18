"""The columns of contrastive groups. Change one, and :data:`CONTRASTIVE_SCHEMA_VERSION` counts up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import attrs
import pyarrow as pa

from leanebm.core import ContrastiveGroup, Evidence, NegativeState
from leanebm.data.contrastive_record import ContrastiveRecord
from leanebm.storage import ShardFormat

__all__ = ["CONTRASTIVE_FORMAT", "CONTRASTIVE_SCHEMA", "CONTRASTIVE_SCHEMA_VERSION"]

CONTRASTIVE_SCHEMA_VERSION: Final = 1


def _column(name: str, type_: pa.DataType, *, unit: str = "", nullable: bool = False) -> pa.Field:
    return pa.field(name, type_, nullable=nullable, metadata={"unit": unit} if unit else None)


_NEGATIVE: Final = pa.struct(
    [
        _column("text", pa.string()),
        _column("key", pa.string()),
        _column("tactic", pa.string()),
        _column("log_prob", pa.float64(), unit="nat"),
        _column("evidence", pa.string()),
    ]
)

CONTRASTIVE_SCHEMA: Final = pa.schema(
    [
        _column("theorem", pa.string()),
        _column("module", pa.string()),
        _column("parent_text", pa.string()),
        _column("parent_key", pa.string()),
        _column("positive_text", pa.string()),
        _column("positive_key", pa.string()),
        _column("positive_tactic", pa.string()),
        _column("positive_log_prob", pa.float64(), unit="nat", nullable=True),
        _column("negatives", pa.list_(pa.field("element", _NEGATIVE, nullable=False))),
        _column("depth", pa.int32(), unit="tactics"),
        _column("remaining_depth", pa.int32(), unit="tactics"),
        _column("source", pa.string()),
        _column("round", pa.int32()),
    ]
)
"""One column for each field of :class:`~leanebm.core.ContrastiveGroup`, in its order."""


def _table_of(groups: Iterable[ContrastiveGroup]) -> pa.Table:
    return pa.Table.from_pylist([_values(group) for group in groups], schema=CONTRASTIVE_SCHEMA)


def _values(group: ContrastiveGroup) -> dict[str, Any]:
    values = attrs.asdict(group)
    for negative in values["negatives"]:
        negative["evidence"] = negative["evidence"].value
    return values


def _groups_of(table: pa.Table) -> list[ContrastiveGroup]:
    return [_group(values) for values in table.to_pylist()]


def _group(values: dict[str, Any]) -> ContrastiveGroup:
    negatives = tuple(
        NegativeState(**(negative | {"evidence": Evidence(negative["evidence"])}))
        for negative in values.pop("negatives")
    )
    return ContrastiveGroup(**values, negatives=negatives)


def _owns(record: ContrastiveRecord, group: ContrastiveGroup) -> bool:
    return group.theorem == record.theorem.name


CONTRASTIVE_FORMAT: Final = ShardFormat(
    noun="set of contrastive groups",
    prefix="leanebm.contrastive",
    version=CONTRASTIVE_SCHEMA_VERSION,
    schema=CONTRASTIVE_SCHEMA,
    record=ContrastiveRecord,
    table_of=_table_of,
    rows_of=_groups_of,
    owns=_owns,
)
"""The shards of a set of contrastive groups: the decision points are the rows."""
