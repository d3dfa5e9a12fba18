from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from leanebm.data import LibrarySelection, LibraryTheorem
from leanebm.lean import LeanPoolConfig

Leanebm = Callable[..., Result]


def test_it_says_what_was_kept_and_what_was_not(leanebm_command: Leanebm, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    class Canned:
        def __init__(self, _: LeanPoolConfig, path: Path, *, modules: tuple[str, ...], observer: object) -> None:
            assert observer is not None
            asked.append((path, modules))

        async def run(self) -> LibrarySelection:
            theorem = LibraryTheorem(name="Nat.add_comm", module="Init.Nat", statement="P", fingerprint="0")
            return LibrarySelection((theorem,), {"generated": 3, "too long": 1})

    monkeypatch.setattr("leanebm.pipeline.LibraryRun", Canned)
    result = leanebm_command("extract-library", "--output", "out.parquet", "--module", "Init.Nat")
    assert result.exit_code == 0
    assert asked == [(Path("out.parquet"), ("Init.Nat",))]
    assert "kept 1 theorems (1 " in result.stdout
    assert "left out: 3 generated, 1 too long" in result.stdout
    assert "written to out.parquet" in result.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--output", "out.parquet", "--module", ""), "module names such as 'Init', got '' @ --module"),
        (("--output", "out.txt"), "out.txt should end in .parquet"),
        (("--output", "there.parquet"), "there.parquet already exists: move it away"),
    ],
)
def test_what_cannot_be_read_or_written_is_refused(
    leanebm_command: Leanebm, options: tuple[str, ...], told: str
) -> None:
    Path("there.parquet").write_bytes(b"mine")
    result = leanebm_command("extract-library", *options)
    assert result.exit_code == 2
    assert told in result.stderr
