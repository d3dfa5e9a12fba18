from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.errors import ConfigError
from leanebm.storage import RunInfo, ShardWriter
from leanebm.trajectory import (
    TRAJECTORY_FOLDER,
    TRAJECTORY_FORMAT,
    AnytimeCurve,
    TheoremRecord,
    attempt_folder,
    best_of,
    read_attempts,
)

MakeTheorem = Callable[..., Any]


def ended(make_theorem: MakeTheorem, outcome: str, expansions: int) -> TheoremRecord:
    record: TheoremRecord = attrs.evolve(make_theorem("t", outcome)[0], expansions=expansions)
    return record


def test_the_cheapest_proof_counts_and_without_one_what_broke(make_theorem: MakeTheorem) -> None:
    lost, spent, exhausted = (ended(make_theorem, how, 9) for how in ("infrastructure", "budget_spent", "exhausted"))
    dear, cheap = ended(make_theorem, "proved", 7), ended(make_theorem, "proved", 2)
    assert best_of([lost, spent, dear, cheap]) is cheap
    assert best_of([spent, exhausted]) is spent
    assert best_of([spent, lost, exhausted]) is lost
    assert AnytimeCurve.of([lost, spent, cheap, dear]).spent == {"t": 2.0}
    assert AnytimeCurve.of([lost, spent]).spent == {}, "the search that broke might have proved it"


async def test_further_searches_are_found_up_to_the_first_that_is_missing(
    tmp_path: Path, make_theorem: MakeTheorem, make_run: Callable[..., RunInfo]
) -> None:
    with pytest.raises(ConfigError):
        read_attempts(tmp_path)
    for number in (1, 2, 4):
        folder = attempt_folder(tmp_path, number) / TRAJECTORY_FOLDER
        part = "worker" if number == 2 else None
        async with ShardWriter(folder, TRAJECTORY_FORMAT, run=make_run(seed=number), part=part) as writer:
            record, rows = make_theorem("t")
            await writer.hand_over(record, rows)
    (attempt_folder(tmp_path, 3) / TRAJECTORY_FOLDER).mkdir(parents=True)  # a search that was stopped at once
    assert [run.runs[-1].seed for run in read_attempts(tmp_path)] == [1, 2]
    assert len(read_attempts(tmp_path / TRAJECTORY_FOLDER)) == 1
