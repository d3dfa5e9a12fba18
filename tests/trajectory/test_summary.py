from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from leanebm.core import SearchOutcome
from leanebm.storage import RunInfo, Shard
from leanebm.trajectory import TRAJECTORY_FORMAT, read_trajectory, summary_of

SEARCH_ENDS = [outcome for outcome in SearchOutcome if outcome is not SearchOutcome.INCOMPLETE]


def test_a_summary_counts_theorems_by_outcome_and_adds_up_costs(
    tmp_path: Path, make_run: Callable[..., RunInfo], make_theorem: Callable[..., Any]
) -> None:
    outcomes = [*SEARCH_ENDS, "proved", "rejected", "rejected"]
    theorems = [make_theorem(f"t{i}", outcome) for i, outcome in enumerate(outcomes)]
    path = tmp_path / "part-000000.parquet"
    Shard.write(
        path,
        TRAJECTORY_FORMAT,
        make_run(),
        [record for record, _ in theorems],
        [row for _, rows in theorems for row in rows],
    )
    summary = summary_of(read_trajectory(path).records)
    assert summary.attempted == 8
    assert (summary.proved, summary.certified) == (2, 2)
    assert (summary.exhausted, summary.budget_spent, summary.infrastructure) == (1, 1, 1)
    assert (summary.rejected, summary.rejections) == (3, 3)
    assert (summary.nodes, summary.expansions, summary.tactic_calls) == (24, 16, 40)
    assert (summary.wall_s, summary.lean_s) == (2.0, 1.0)
