from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.errors import TrajectoryError
from leanebm.storage import RunInfo, Shard, ShardFormat, read_shards

MakeRun = Callable[..., RunInfo]
MakeTheorem = Callable[..., Any]
Format = ShardFormat[Any, Any]


@pytest.fixture
def directory(tmp_path: Path, shard_format: Format, make_run: MakeRun, make_theorem: MakeTheorem) -> Path:
    """Two runs; the second climbed again what the first had lost."""
    first = [make_theorem("t1"), make_theorem("t2", is_final=False, num_rows=1), make_theorem("t3")]
    second = [make_theorem("t2", run_id="run-2", num_rows=4)]
    for number, (run_id, theorems) in enumerate([("run-1", first), ("run-2", second)]):
        path = tmp_path / f"part-{number:06d}.parquet"
        rows = [row for _, rows in theorems for row in rows]
        Shard.write(path, shard_format, make_run(run_id), [record for record, _ in theorems], rows)
    return tmp_path


def test_each_theorem_counts_once_with_its_last_record(directory: Path, shard_format: Format) -> None:
    found = read_shards(directory, shard_format)
    assert [(record.theorem.name, record.run_id) for record in found.records] == [
        ("t1", "run-1"),
        ("t2", "run-2"),
        ("t3", "run-1"),
    ]
    rows = [(row.theorem, row.run_id) for row in found.rows()]
    assert rows == [("t1", "run-1")] * 3 + [("t3", "run-1")] * 3 + [("t2", "run-2")] * 4
    assert found.table().num_rows == len(rows)
    assert [run.run_id for run in found.runs] == ["run-1", "run-2"]


def test_a_single_shard_will_do(directory: Path, shard_format: Format) -> None:
    found = read_shards(directory / "part-000000.parquet", shard_format)
    assert [record.theorem.name for record in found.records] == ["t1", "t2", "t3"]


def test_what_is_not_there_is_named(tmp_path: Path, shard_format: Format) -> None:
    with pytest.raises(TrajectoryError, match="nowhere does not exist: a mountain is a directory"):
        read_shards(tmp_path / "nowhere", shard_format)
    with pytest.raises(TrajectoryError, match="holds no finished shard"):
        read_shards(tmp_path, shard_format)


def test_one_damaged_shard_is_named(directory: Path, shard_format: Format) -> None:
    (directory / "part-000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(TrajectoryError, match=r"part-000001\.parquet"):
        read_shards(directory, shard_format)


def test_a_row_that_nobody_here_would_have_written_is_named(directory: Path, shard_format: Format) -> None:
    def picky(table: Any) -> list[Any]:
        if any(height == 1.0 for height in table["height"].to_pylist()):
            raise ValueError("too low")
        return shard_format.rows_of(table)

    heights = [row.height for row in read_shards(directory, shard_format).rows()]
    bad = heights.index(1.0)
    with pytest.raises(TrajectoryError, match=rf"part-000000.parquet .* too low @ row {bad + 1}\."):
        list(read_shards(directory, attrs.evolve(shard_format, rows_of=picky)).rows())
