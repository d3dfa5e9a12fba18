from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import leanebm.cli.extract_library
from leanebm.data import LibrarySelection, LibraryTheorem

Leanebm = Callable[..., Result]


def test_it_says_what_was_kept_and_what_was_not(leanebm_command: Leanebm, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    async def extract(path: Path, *_: Any, modules: tuple[str, ...], **__: Any) -> LibrarySelection:
        asked.append((path, modules))
        theorem = LibraryTheorem(name="Nat.add_comm", module="Init.Nat", statement="P", fingerprint="0")
        return LibrarySelection((theorem,), {"generated": 3, "too long": 1})

    monkeypatch.setattr(leanebm.cli.extract_library, "extract", extract)
    result = leanebm_command("extract-library", "--output", "out.parquet", "--module", "Init.Nat")
    assert result.exit_code == 0
    assert asked == [(Path("out.parquet"), ("Init.Nat",))]
    assert "kept 1 theorems (1 " in result.stdout
    assert "left out: 3 generated, 1 too long" in result.stdout
    assert "written to out.parquet" in result.stdout
