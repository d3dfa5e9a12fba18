"""What the storage tests share: a kind of shard of their own, a run, and theorems with rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs
import pyarrow as pa
import pytest

from leanebm.core import Theorem
from leanebm.storage import ShardFormat

MakeTheorem = Callable[..., Any]
SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("theorem", pa.string(), nullable=False),
        pa.field("height", pa.float64(), nullable=False, metadata={"unit": "m"}),
    ]
)


@attrs.frozen(kw_only=True)
class Climb:
    """A record: somebody climbed a theorem."""

    theorem: Theorem
    run_id: str
    is_final: bool = True


@attrs.frozen(kw_only=True)
class Camp:
    """A row: a stop of the climb."""

    run_id: str
    theorem: str
    height: float


def _table_of(camps: Iterable[Camp]) -> pa.Table:
    return pa.Table.from_pylist([attrs.asdict(camp) for camp in camps], schema=SCHEMA)


def _rows_of(table: pa.Table) -> list[Camp]:
    return [Camp(**values) for values in table.to_pylist()]


@pytest.fixture
def shard_format() -> ShardFormat[Climb, Camp]:
    return ShardFormat(
        noun="mountain",
        prefix="leanebm",
        version=1,
        schema=SCHEMA,
        record=Climb,
        table_of=_table_of,
        rows_of=_rows_of,
        owns=lambda climb, camp: (camp.theorem, camp.run_id) == (climb.theorem.name, climb.run_id),
    )


@pytest.fixture
def make_theorem() -> MakeTheorem:
    """``make_theorem("t1", is_final=False, num_rows=3)``: a record and its rows."""

    def make(name: str, *, is_final: bool = True, run_id: str = "run-1", num_rows: int = 3) -> tuple[Climb, list[Camp]]:
        record = Climb(theorem=Theorem(name=name, statement="True"), run_id=run_id, is_final=is_final)
        return record, [Camp(run_id=run_id, theorem=name, height=float(i)) for i in range(num_rows)]

    return make
