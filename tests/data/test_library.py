from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import Theorem
from leanebm.data import (
    LibrarySelection,
    LibraryTheorem,
    Split,
    library_theorems,
    read_library_file,
    split_of,
    why_unworthy,
    write_library_file,
)
from leanebm.data.library import _SCHEMA, MAX_LIBRARY_STATEMENT_CHARS
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
    write_library_file(path, [LibraryTheorem(name="x", statement="True", module="Init.Core", fingerprint="1")])
    told = {**pq.read_schema(path).metadata, b"leanebm.library_schema_version": b"99"}
    with pytest.raises(ConfigError, match=rf"read it with leanebm {version('leanebm')}, which wrote it"):
        read_library_file(file_of(path, [row()], _SCHEMA.with_metadata(told)))
    with pytest.raises(ConfigError, match="holds no theorem"):
        read_library_file(file_of(path, []))


def test_a_missing_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "library.parquet"
    with pytest.raises(ConfigError, match="cannot read"):
        read_library_file(path)
    whole = file_of(path, [row(name=f"x{number}") for number in range(500)]).read_bytes()
    for content in (b"", b"no Parquet", whole[:-20], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"not a Parquet file|cannot read"):
            read_library_file(path)
    with pytest.raises(ConfigError, match="not a Parquet file"):
        read_library_file(file_of(path, [row()], _SCHEMA.with_metadata({"leanebm.library_schema_version": b"\xff"})))


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


def test_a_library_theorem_is_proved_by_its_name() -> None:
    item = LibraryTheorem(name="Nat.add_comm", statement="∀ …", module="Init.Data.Nat.Basic", fingerprint="1")
    assert item.theorem == Theorem(name="Nat.add_comm", copy_from="Nat.add_comm")
    assert item.split is split_of(item.module)


@pytest.mark.parametrize(
    ("module", "split"),
    [
        ("Init.Core", Split.TRAIN),
        ("Init.Data.List.Lemmas", Split.TRAIN),
        ("Init.Data.Option.Lemmas", Split.VAL),
        ("Init.Data.Nat.Basic", Split.TEST),
        ("Init.Classical", Split.TEST),
    ],
)
def test_a_modules_split_never_changes(module: str, split: Split) -> None:
    assert split_of(module) is split


def test_about_a_tenth_of_the_modules_is_kept_for_validation_and_a_tenth_for_testing() -> None:
    shares = Counter(split_of(f"Some.Module{number}") for number in range(10_000))
    assert 7_800 < shares[Split.TRAIN] < 8_200
    assert 850 < shares[Split.VAL] < 1_150
    assert 850 < shares[Split.TEST] < 1_150


def library_theorem(name: str, statement: str = "∀ (n : Nat), n = n", fingerprint: str = "") -> LibraryTheorem:
    return LibraryTheorem(name=name, statement=statement, module="Init.Core", fingerprint=fingerprint or name)


@pytest.mark.parametrize(
    "name",
    ["Nat.add_comm", "Or.elim", "Prod.ext", "Nat.rec_add_one", "List.getElem?_append", "Some.inj'", "List.below_max"],
)
def test_what_a_person_would_state_is_kept(name: str) -> None:
    assert why_unworthy(library_theorem(name)) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("_private.Init.Core.0.foo", "not public"),
        ("Nat.add._simp_1", "not public"),
        ("Nat.foo._proof_1", "not public"),
        ("List.map.eq_1", "generated"),
        ("List.map.eq_def", "generated"),
        ("Prod.mk.injEq", "generated"),
        ("Prod.mk.inj", "generated"),
        ("Prod.mk.sizeOf_spec", "generated"),
        ("Prod.ext_iff", "generated"),
        ("Nat.noConfusion", "generated"),
        ("foo.match_1", "generated"),
        ("foo.match_1.eq_1", "generated"),
        ("foo.proof_1", "generated"),
        ("foo.congr_simp", "generated"),
        ("foo.hcongr_3", "generated"),
        ("Nat.gcd.induct", "generated"),
        ("List.map.induct_unfolding", "generated"),
        ("List.map.fun_cases", "generated"),
        ("Nat.brecOn.eq", "generated"),
        ("List.instLawfulBEqList", "generated"),
        ("Bool.ofNat_ctorIdx", "generated"),
        ("Lean.Omega.Int.add_comm", "machinery"),
        ("Nat.Linear.Poly.denote_cons", "machinery"),
        ("Lean.Grind.Ring.add_comm", "machinery"),
    ],
)
def test_what_lean_makes_for_itself_is_dropped(name: str, reason: str) -> None:
    assert why_unworthy(library_theorem(name)) == reason


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("∀ (n✝ : Nat), n✝ = n✝", "unreadable"),
        ("xs[0]'⋯ = 1", "unreadable"),
        ("∀ {motive : Nat → Prop}, motive 0", "unreadable"),
        ("n" * (MAX_LIBRARY_STATEMENT_CHARS + 1), "too long"),
    ],
)
def test_statements_nobody_wrote_are_dropped(statement: str, reason: str) -> None:
    assert why_unworthy(library_theorem("foo", statement)) == reason


def test_a_statement_is_kept_once_under_its_first_worthy_name_and_the_rest_is_counted() -> None:
    selection = LibrarySelection.of(
        library_theorem(name, fingerprint=fingerprint)
        for name, fingerprint in [("x.eq_1", "a"), ("new_name", "a"), ("other", "b"), ("old_name", "a"), ("y.inj", "c")]
    )
    assert [theorem.name for theorem in selection.kept] == ["new_name", "other"]
    assert selection.dropped == {"generated": 2, "stated before": 1}
