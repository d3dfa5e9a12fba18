from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leanebm.core import Theorem
from leanebm.data import FileReading, read_theorem_file
from leanebm.data.conjectures import (
    CONJECTURE_SCHEMA,
    Conjecture,
    ConjectureFile,
    ConjectureSplit,
    read_conjecture_file,
    write_conjecture_file,
)
from leanebm.errors import ConfigError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "set.parquet"


def write_rows(path: Path, *rows: dict[str, Any]) -> None:
    told = {"leanebm.conjecture_schema_version": "1"}
    pq.write_table(pa.Table.from_pylist(list(rows), schema=CONJECTURE_SCHEMA.with_metadata(told)), path)


def test_what_is_written_is_read_back(path: Path, drawn: tuple[Conjecture, ...]) -> None:
    file = ConjectureFile(drawn, {"seed": "11", "command": "leanebm conjecture"})
    write_conjecture_file(path, file)
    assert read_conjecture_file(path) == file
    assert path.stat().st_size < 120 * len(drawn) + 20_000
    again = path.read_bytes()
    write_conjecture_file(path, file)
    assert path.read_bytes() == again


def test_any_command_reads_a_split_of_it(path: Path, drawn: tuple[Conjecture, ...]) -> None:
    write_conjecture_file(path, ConjectureFile(drawn, {}))
    found = read_theorem_file(path, FileReading(split="unseen"))
    unseen = [made for made in drawn if made.split is ConjectureSplit.UNSEEN]
    assert list(found.theorems) == [Theorem(name=made.name, statement=made.statement) for made in unseen]


def test_every_mistake_is_listed_with_its_row(path: Path, drawn: tuple[Conjecture, ...]) -> None:
    good, other = ({"name": made.name, **attrs.asdict(made), "split": "train"} for made in drawn[:2])
    write_rows(path, good, good, other | {"name": "mine"}, other | {"skeleton": good["skeleton"], "split": "test"})
    with pytest.raises(ConfigError) as caught:
        read_conjecture_file(path)
    problems = caught.value.problems
    assert [problem.rsplit(":row ")[1] for problem in problems] == ["2", "3", "4", "4"]
    assert "is already in row 1" in problems[0]
    assert "the name is 'mine'" in problems[1]
    assert "is already in row 3" in problems[2]
    assert "already in the split train" in problems[3]


def test_an_unknown_split_is_a_mistake(path: Path, drawn: tuple[Conjecture, ...]) -> None:
    write_rows(path, {"name": drawn[0].name, **attrs.asdict(drawn[0]), "split": "dev"})
    with pytest.raises(ConfigError) as caught:
        read_conjecture_file(path)
    assert caught.value.problems == (f"there is no split 'dev' @ {path}:row 1",)


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing", None])
def test_what_is_no_such_file_is_told(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"set\.parquet"):
        read_conjecture_file(path)


def test_metadata_that_are_no_text_are_told(path: Path, drawn: tuple[Conjecture, ...]) -> None:
    row = {"name": drawn[0].name, **attrs.asdict(drawn[0]), "split": "train"}
    for told in ({b"leanebm.conjecture_schema_version": b"\xff"}, {b"leanebm.seed": b"\xff"}):
        pq.write_table(pa.Table.from_pylist([row], schema=CONJECTURE_SCHEMA.with_metadata(told)), path)
        with pytest.raises(ConfigError, match="is damaged, or not a Parquet file"):
            read_conjecture_file(path)


def test_another_schema_is_refused_with_its_columns(path: Path) -> None:
    pq.write_table(pa.table({"statement": ["True"]}), path)
    with pytest.raises(ConfigError, match=r"columns statement in schema version \(none\)"):
        read_conjecture_file(path)


def test_nothing_is_not_written(path: Path, drawn: tuple[Conjecture, ...]) -> None:
    with pytest.raises(ConfigError, match="no conjectures to write"):
        write_conjecture_file(path, ConjectureFile((), {}))
    with pytest.raises(ConfigError, match="not all conjectures"):
        write_conjecture_file(path, ConjectureFile((drawn[0], drawn[0]), {}))
    assert not path.exists()
