from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leanebm.errors import ConfigError, TrajectoryError
from leanebm.storage import RunInfo, Shard, ShardFormat, read_shards, shard_paths

MakeTheorem = Callable[..., Any]

Format = ShardFormat[Any, Any]

AnyShard = Shard[Any, Any]


@pytest.fixture
def shard(
    tmp_path: Path, shard_format: Format, make_run: Callable[..., RunInfo], make_theorem: MakeTheorem
) -> AnyShard:
    theorems = [make_theorem("t1"), make_theorem("t2"), make_theorem("t3", is_final=False)]
    rows = [row for _, rows in theorems for row in rows]
    records = [record for record, _ in theorems]
    return Shard.write(tmp_path / "part-000000.parquet", shard_format, make_run(), records, rows)


def rewrite(path: Path, **metadata: bytes | None) -> None:
    """Replace entries ``leanebm.KEY`` of a shard's metadata; ``None`` removes one."""
    table = pq.read_table(path)
    kept = dict(table.schema.metadata)
    for key, value in metadata.items():
        kept.pop(f"leanebm.{key}".encode())
        if value is not None:
            kept[f"leanebm.{key}".encode()] = value
    pq.write_table(table.replace_schema_metadata(kept), path)


def test_a_shard_is_read_as_it_was_written(shard: AnyShard) -> None:
    again = Shard.open(shard.path, shard.format)
    assert again.records == shard.records
    assert again.run.differences(shard.run) == []
    assert again.table().num_rows == 9


def test_nothing_but_the_shard_is_left_behind(shard: AnyShard) -> None:
    assert list(shard.path.parent.iterdir()) == [shard.path]


def test_any_parquet_reader_sees_columns_and_units(shard: AnyShard) -> None:
    table = pq.read_table(shard.path.parent)
    assert table.column_names == shard.format.schema.names
    assert table.schema.field("height").metadata[b"unit"] == b"m"


def test_another_schema_version_is_refused_by_name(shard: AnyShard) -> None:
    rewrite(shard.path, schema_version=b"2")
    with pytest.raises(TrajectoryError, match=r"part-000000.parquet has schema version 2; .* 1") as caught:
        Shard.open(shard.path, shard.format)
    assert f"Read it with leanebm {shard.run.leanebm_version}, which wrote it" in str(caught.value)
    for run in (b"{", b"[]", b"7", b"[" * 100_000, None):
        rewrite(shard.path, run=run)
        with pytest.raises(TrajectoryError, match="the file does not say which one did"):
            Shard.open(shard.path, shard.format)


def test_a_parquet_file_of_something_else_is_of_no_such_kind(tmp_path: Path, shard_format: Format) -> None:
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(ConfigError, match="is a Parquet file but not a mountain"):
        Shard.open(path, shard_format)


def test_columns_that_are_not_the_versions_are_refused(shard: AnyShard) -> None:
    table = pq.read_table(shard.path)
    pq.write_table(table.drop_columns(["height"]), shard.path)
    with pytest.raises(TrajectoryError, match="its columns are not that version's"):
        Shard.open(shard.path, shard.format)


@pytest.mark.parametrize("damage", [None, b"{", b'{"run_id": 1}', b'[{"is_final": true}]', b"7"])
@pytest.mark.parametrize("key", ["run", "theorems"])
def test_damaged_metadata_names_the_file(shard: AnyShard, key: str, damage: bytes | None) -> None:
    rewrite(shard.path, **{key: damage})
    with pytest.raises(TrajectoryError, match=r"part-000000.parquet has damaged metadata"):
        Shard.open(shard.path, shard.format)


@pytest.mark.parametrize("size", [0, 3, 100, -8])
def test_a_truncated_file_names_itself(shard: AnyShard, size: int) -> None:
    content = shard.path.read_bytes()
    shard.path.write_bytes(content[:size])
    with pytest.raises(TrajectoryError, match=r"part-000000.parquet cannot be read as Parquet"):
        Shard.open(shard.path, shard.format)


def test_a_shard_that_goes_away_is_a_trajectory_error(shard: AnyShard) -> None:
    shard.path.unlink()
    with pytest.raises(TrajectoryError, match="cannot be read"):
        shard.table()


def test_a_flipped_bit_in_a_row_is_noticed_or_changes_nothing(shard: AnyShard) -> None:
    whole, rows = shard.path.read_bytes(), shard.table()
    noticed = 0
    first = pq.ParquetFile(shard.path).metadata.row_group(0).column(2)
    start = first.dictionary_page_offset or first.data_page_offset
    for position in range(start, start + first.total_compressed_size):
        shard.path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        try:
            found = shard.table()
        except TrajectoryError:
            noticed += 1
        else:
            assert found.equals(rows)
    assert noticed > 20


def test_metadata_nested_without_end_are_damaged(shard: AnyShard, shard_format: Format) -> None:
    table = pq.read_table(shard.path)
    metadata = {**table.schema.metadata, shard_format.run_key: b"[" * 100_000}
    pq.write_table(table.replace_schema_metadata(metadata), shard.path)
    with pytest.raises(TrajectoryError, match="damaged metadata"):
        Shard.open(shard.path, shard_format)


MakeRun = Callable[..., RunInfo]

MakeTheorem_shard_set = Callable[..., Any]

Format_shard_set = ShardFormat[Any, Any]


@pytest.fixture
def directory(
    tmp_path: Path, shard_format: Format_shard_set, make_run: MakeRun, make_theorem: MakeTheorem_shard_set
) -> Path:
    """Two runs; the second climbed again what the first had lost."""
    first = [make_theorem("t1"), make_theorem("t2", is_final=False, num_rows=1), make_theorem("t3")]
    second = [make_theorem("t2", run_id="run-2", num_rows=4)]
    for number, (run_id, theorems) in enumerate([("run-1", first), ("run-2", second)]):
        path = tmp_path / f"part-{number:06d}.parquet"
        rows = [row for _, rows in theorems for row in rows]
        Shard.write(path, shard_format, make_run(run_id), [record for record, _ in theorems], rows)
    return tmp_path


def test_each_theorem_counts_once_with_its_last_record(directory: Path, shard_format: Format_shard_set) -> None:
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


def test_a_single_shard_will_do(directory: Path, shard_format: Format_shard_set) -> None:
    found = read_shards(directory / "part-000000.parquet", shard_format)
    assert [record.theorem.name for record in found.records] == ["t1", "t2", "t3"]


def test_what_is_not_there_is_named(tmp_path: Path, shard_format: Format_shard_set) -> None:
    with pytest.raises(ConfigError, match="nowhere does not exist: what is needed is a folder"):
        read_shards(tmp_path / "nowhere", shard_format)
    with pytest.raises(ConfigError, match="holds no mountain yet"):
        read_shards(tmp_path, shard_format)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigError, match=r"notes\.txt is none: what is needed is a folder"):
        read_shards(tmp_path / "notes.txt", shard_format)


def test_a_shard_that_a_merge_has_just_moved_is_found_again(
    directory: Path, shard_format: Format_shard_set, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = directory / "worker" / "part-000000.parquet"
    part.parent.mkdir()
    (directory / "part-000001.parquet").rename(part)
    listings = [shard_paths(directory), [directory / "part-000000.parquet", directory / "part-000001.parquet"]]
    part.rename(directory / "part-000001.parquet")  # after the first listing
    monkeypatch.setattr("leanebm.storage.shard.shard_paths", lambda _: listings.pop(0))
    assert [record.run_id for record in read_shards(directory, shard_format).records] == ["run-1", "run-2", "run-1"]
    assert listings == []


def test_one_damaged_shard_is_named(directory: Path, shard_format: Format_shard_set) -> None:
    (directory / "part-000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(TrajectoryError, match=r"part-000001\.parquet"):
        read_shards(directory, shard_format)


def test_a_row_that_nobody_here_would_have_written_is_named(directory: Path, shard_format: Format_shard_set) -> None:
    def picky(table: Any) -> list[Any]:
        if any(height == 1.0 for height in table["height"].to_pylist()):
            raise ValueError("too low")
        return shard_format.rows_of(table)

    heights = [row.height for row in read_shards(directory, shard_format).rows()]
    bad = heights.index(1.0)
    with pytest.raises(TrajectoryError, match=rf"part-000000.parquet .* too low @ row {bad + 1}\."):
        list(read_shards(directory, attrs.evolve(shard_format, rows_of=picky)).rows())
