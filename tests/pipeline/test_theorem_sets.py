from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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
    with pytest.raises(ConfigError, match=rf"no file {typed}.*did you mean {meant}\?"):
        load_theorems(typed)
    Path(typed).write_text("True\n")
    assert load_theorems(typed)[0].statement == "True"


def test_a_missing_file_is_like_no_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_theorems(tmp_path / "mine.txt")
