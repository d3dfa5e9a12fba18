from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leanebm.data import read_library_file
from leanebm.errors import CommandRefused, ConfigError
from leanebm.lean import CommandBackend, LeanPoolConfig
from leanebm.lean.embedded import EmbeddedLean
from leanebm.pipeline import RunConfig, StageProgressed, extract_library, fit_imports, load_theorems, read_run_config
from leanebm.testing.fake_worker import fake_worker_argv


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


@pytest.mark.lean
async def test_a_modules_theorems_are_taken_page_by_page(
    tmp_path: Path, embedded_lean: EmbeddedLean, observer: Any
) -> None:
    assert embedded_lean.node.is_file()
    path = tmp_path / "library.parquet"
    selection = await extract_library(
        path, LeanPoolConfig.embedded(), modules=("Init.Core",), page=500, observer=observer
    )
    assert read_library_file(path) == selection.kept
    names = {theorem.name for theorem in selection.kept}
    assert "Prod.exists" not in names  # it is another module's
    assert "Ne.symm" in names
    assert {theorem.module for theorem in selection.kept} == {"Init.Core"}
    assert selection.dropped
    pages = [event for event in observer.events if isinstance(event, StageProgressed) and "theorems" in event.step]
    assert len(pages) > 1


async def test_a_worker_that_cannot_list_its_library_says_so(tmp_path: Path) -> None:
    backend = CommandBackend(argv=fake_worker_argv(dialect="pantograph"))
    with pytest.raises(CommandRefused):
        await extract_library(tmp_path / "library.parquet", LeanPoolConfig(backend=backend))
    assert list(tmp_path.iterdir()) == []
