from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leanebm.data import FileReading
from leanebm.errors import ConfigError
from leanebm.pipeline import RunConfig, fit_imports, load_theorems, read_run_config


def test_the_bundled_set_is_there() -> None:
    theorems = load_theorems("bundled")
    assert len(theorems) >= 60
    assert load_theorems("bundled", max_theorems=5) == theorems[:5]


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("-- a comment\nTrue\n@Nat.add_comm\n")
    one, other = load_theorems(str(path))
    assert one.statement == "True"
    assert other.copy_from == "Nat.add_comm"


def test_an_unknown_split_is_told_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="train, val, test"):
        load_theorems("library:best")


def test_library_theorems_get_the_modules_they_need() -> None:
    config = RunConfig()
    assert fit_imports(config, "library:val").lean.imports == ("Init", "Std")
    assert fit_imports(config, "bundled") == config
    chosen = read_run_config(None)
    assert fit_imports(chosen, "mine.txt") == chosen


def test_a_sample_is_always_the_same_and_grows_by_adding() -> None:
    few = load_theorems("library:val", sample=20)
    more = load_theorems("library:val", sample=50)
    assert more[:20] == few
    assert few != load_theorems("library:val", max_theorems=20)
    assert len({theorem.name for theorem in more}) == 50


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("librry:train", "library:train"), ("library.val", "library:val"), ("bundle_d", "bundled")],
)
def test_a_misspelt_set_is_told_with_the_close_one(tmp_path: Path, monkeypatch: Any, typed: str, meant: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf"no file {typed}.*did you mean '{meant}'\?"):
        load_theorems(typed)
    Path(typed).write_text("True\n")
    assert load_theorems(typed)[0].statement == "True"


def test_a_missing_file_is_like_no_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_theorems(tmp_path / "mine.txt")


_PUBLISHED = """import Mathlib.Tactic
import Std.Data.HashMap
def x : Nat := sorry
theorem a : 1 = 1 := sorry
theorem b : x = 1 := sorry
"""


def test_what_a_file_was_taken_for_and_wants_imported_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.lean"
    path.write_text(_PUBLISHED)
    told: list[str] = []
    (theorem,) = load_theorems(path, imports=("Init", "Std"), tell=told.append)
    assert theorem.name == "a"
    taken, absent, refused = told
    assert taken == f"{path}: one theorem taken; 2 theorems that hold a sorry"
    assert absent.startswith(f"{path}: theorems want modules that this run does not import: Mathlib.Tactic (1). ")
    assert "state the theorems over Lean's own library (Nat for ℕ" in absent
    assert refused.startswith(f"{path}: 1 left out, which cannot be stated: 'x' is left as sorry")


def test_modules_that_lean_has_are_named_with_the_option_that_imports_them(tmp_path: Path) -> None:
    path = tmp_path / "mine.lean"
    path.write_text("import Std.Data.HashMap\nimport Lean.Meta\ntheorem a : 1 = 1 := sorry\n")
    told: list[str] = []
    load_theorems(path, tell=told.append)
    assert told[1].endswith("to mend that, say --imports Init,Std.Data.HashMap,Lean.Meta")
    load_theorems(path, imports=("Init", "Lean"), tell=told.append)
    assert len(told) == 3


def test_a_file_of_our_own_is_read_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("True\n")
    told: list[str] = []
    load_theorems(path, tell=told.append)
    assert told == []


def test_a_set_that_is_no_file_is_read_in_one_way_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="bundled is not a file"):
        load_theorems("bundled", reading=FileReading(split="test"))
    assert load_theorems("bundled", reading=FileReading()) == load_theorems("bundled")
    path = tmp_path / "mine.txt"
    path.write_text('[{"name": "t", "formal_statement": "1 = 1"}]')
    assert [theorem.name for theorem in load_theorems(path, reading=FileReading(format="json"))] == ["t"]


def test_the_shipped_conjectures_are_sets_by_split() -> None:
    for name in ("conjectures", "logic"):
        splits = {split: load_theorems(f"{name}:{split}") for split in ("train", "val", "test", "unseen")}
        assert all(splits.values())
        names = [theorem.name for theorems in splits.values() for theorem in theorems]
        assert len(set(names)) == len(names)
    assert load_theorems("logic:test") != load_theorems("conjectures:test")
    with pytest.raises(ConfigError, match=r"no split 'dev'; choose train, val, test, unseen"):
        load_theorems("conjectures:dev")
    with pytest.raises(ConfigError, match=r"did you mean 'conjectures:val'\?"):
        load_theorems("conjecture:val")
