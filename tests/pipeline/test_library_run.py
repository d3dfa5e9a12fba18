from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_worker import fake_worker_argv

from leanebm.data import read_library_file
from leanebm.errors import CommandRefused
from leanebm.lean import CommandBackend, LeanPoolConfig
from leanebm.lean.embedded import EmbeddedLean
from leanebm.pipeline import LibraryRun, StageProgressed


@pytest.mark.lean
async def test_a_modules_theorems_are_taken_page_by_page(
    tmp_path: Path, embedded_lean: EmbeddedLean, observer: Any
) -> None:
    assert embedded_lean.node.is_file()
    path = tmp_path / "library.parquet"
    run = LibraryRun(LeanPoolConfig.embedded(), path, modules=("Init.Core",), page=500, observer=observer)
    selection = await run.run()
    assert read_library_file(path) == selection.kept
    names = {theorem.name for theorem in selection.kept}
    assert "Prod.exists" not in names  # it is another module's
    assert "Ne.symm" in names
    assert {theorem.module for theorem in selection.kept} == {"Init.Core"}
    assert selection.dropped
    pages = [event for event in observer.events if isinstance(event, StageProgressed) and "theorems" in event.counts]
    assert len(pages) > 1


async def test_a_worker_that_cannot_list_its_library_says_so(tmp_path: Path) -> None:
    backend = CommandBackend(argv=fake_worker_argv(dialect="pantograph"))
    with pytest.raises(CommandRefused):
        await LibraryRun(LeanPoolConfig(backend=backend), tmp_path / "library.parquet").run()
    assert list(tmp_path.iterdir()) == []
