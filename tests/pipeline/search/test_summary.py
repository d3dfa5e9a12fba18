from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leanebm.core import SearchOutcome, Theorem
from leanebm.errors import TrajectoryError
from leanebm.pipeline import RunConfig, SearchRun, summarise_run
from leanebm.testing import LOST, ToyWorld

Numbers = Callable[..., tuple[Theorem, ...]]


async def test_theorems_are_told_apart_by_how_they_ended(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    moves = {**world.moves, "7": {"decrement": LOST}, "9": {"negate": "-9"}}
    await SearchRun(config, numbers(2, 7, 9), tmp_path, opening=toy_bench(ToyWorld(moves=moves))).run()
    found = summarise_run(tmp_path)
    assert [record.theorem.name for record in found.ended(SearchOutcome.PROVED)] == ["n2"]
    assert [record.theorem.name for record in found.ended(SearchOutcome.INFRASTRUCTURE)] == ["n7"]
    assert [record.theorem.name for record in found.ended(SearchOutcome.EXHAUSTED)] == ["n9"]
    assert found.as_json()["attempted"] == 3
    assert found.path == tmp_path / "trajectory"


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError):
        summarise_run(tmp_path)
