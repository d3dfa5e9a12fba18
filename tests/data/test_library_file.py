from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.data import LibraryTheorem, library_theorems, read_library_file, split_of, write_library_file
from leanebm.data.library_file import _SCHEMA
from leanebm.errors import ConfigError

_names = st.from_regex(r"[A-Z][a-zA-Z0-9_']{0,12}(\.[a-z][a-z0-9?!]{0,4}){0,2}", fullmatch=True)
_texts = st.text(st.characters(codec="utf-8"), max_size=40)
_library = st.lists(
    st.builds(LibraryTheorem, name=_names, statement=_texts, module=_names, fingerprint=_texts),
    min_size=1,
    max_size=8,
    unique_by=lambda theorem: theorem.name,
)


def row(**changes: Any) -> dict[str, Any]:
    values = {"name": "x", "statement": "True", "module": "Init.Core", "fingerprint": "1"}
    return {**values, "split": split_of(values["module"]), **changes}


def file_of(path: Path, rows: list[dict[str, Any]], schema: pa.Schema = _SCHEMA) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path


@given(theorems=_library)
def test_what_was_written_is_read_back_equal(
    tmp_path_factory: pytest.TempPathFactory, theorems: list[LibraryTheorem]
) -> None:
    path = tmp_path_factory.mktemp("library") / "library.parquet"
    write_library_file(path, theorems)
    assert read_library_file(path) == tuple(theorems)
    assert [entry.name for entry in path.parent.iterdir()] == ["library.parquet"]


def test_the_split_is_a_column_so_that_other_tools_can_filter_by_it(tmp_path: Path) -> None:
    theorem = LibraryTheorem(name="x", statement="True", module="Init.Core", fingerprint="1")
    write_library_file(tmp_path / "library.parquet", [theorem])
    assert pq.read_table(tmp_path / "library.parquet").to_pylist() == [row()]


def test_every_bad_row_is_reported(tmp_path: Path) -> None:
    wrong_split = next(split for split in ("train", "test") if split != split_of("Init.Core"))
    rows = [row(), row(), row(name="y", split=wrong_split), row(name=" "), row(name="a b")]
    with pytest.raises(ConfigError) as caught:
        read_library_file(file_of(tmp_path / "bad.parquet", rows))
    assert [problem.rsplit(":row ", 1)[1] for problem in caught.value.problems] == ["2", "3", "4", "5"]


def test_other_columns_another_version_and_no_rows_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    with pytest.raises(ConfigError, match=r"schema version \(none\)"):
        read_library_file(file_of(path, [row()], _SCHEMA.remove_metadata()))
    with pytest.raises(ConfigError, match="columns name"):
        read_library_file(file_of(path, [{"name": "x"}], pa.schema([("name", pa.string())])))
    with pytest.raises(ConfigError, match="schema version 99"):
        read_library_file(file_of(path, [row()], _SCHEMA.with_metadata({"leanebm.library_schema_version": "99"})))
    with pytest.raises(ConfigError, match="holds no theorem"):
        read_library_file(file_of(path, []))


def test_a_missing_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "library.parquet"
    with pytest.raises(ConfigError, match="cannot read"):
        read_library_file(path)
    whole = file_of(path, [row(name=f"x{number}") for number in range(500)]).read_bytes()
    for content in (b"", b"no Parquet", whole[:-20], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"no Parquet file|cannot read"):
            read_library_file(path)


def test_a_set_that_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    theorem = LibraryTheorem(name="x", statement="True", module="Init.Core", fingerprint="1")
    with pytest.raises(ConfigError, match="already used in row 1 @ theorem 2"):
        write_library_file(tmp_path / "library.parquet", [theorem, theorem])
    with pytest.raises(ConfigError, match="no theorems"):
        write_library_file(tmp_path / "library.parquet", [])
    assert not list(tmp_path.iterdir())


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ConfigError, match="choose train, val, test"):
        library_theorems("dev")
