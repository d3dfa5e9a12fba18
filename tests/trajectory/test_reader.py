from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leanebm.errors import TrajectoryError
from leanebm.storage import RunInfo, Shard
from leanebm.trajectory import TRAJECTORY_FORMAT, read_trajectory

MakeRun = Callable[..., RunInfo]
MakeTheorem = Callable[..., Any]


@pytest.fixture
def directory(tmp_path: Path, make_run: MakeRun, make_theorem: MakeTheorem) -> Path:
    """Two runs; the second searched again what the first had lost."""
    first = [make_theorem("t1", "proved"), make_theorem("t2", "infrastructure", num_rows=1), make_theorem("t3")]
    second = [make_theorem("t2", "proved", run_id="run-2", num_rows=4)]
    for number, (run_id, theorems) in enumerate([("run-1", first), ("run-2", second)]):
        Shard.write(
            tmp_path / f"part-{number:06d}.parquet",
            TRAJECTORY_FORMAT,
            make_run(run_id),
            [record for record, _ in theorems],
            [row for _, rows in theorems for row in rows],
        )
    return tmp_path


def test_each_theorem_counts_once_with_its_last_search(directory: Path) -> None:
    trajectory = read_trajectory(directory)
    assert [(record.theorem.name, record.outcome) for record in trajectory.records] == [
        ("t1", "proved"),
        ("t2", "proved"),
        ("t3", "budget_spent"),
    ]
    assert [run.run_id for run in trajectory.runs] == ["run-1", "run-2"]


def test_rows_of_a_superseded_search_are_left_out(directory: Path) -> None:
    trajectory = read_trajectory(str(directory))
    keys = [(row.run_id, row.theorem, row.node) for row in trajectory.rows()]
    assert keys == [("run-1", "t1", n) for n in range(3)] + [("run-1", "t3", n) for n in range(3)] + [
        ("run-2", "t2", n) for n in range(4)
    ]
    assert trajectory.table().num_rows == len(keys)


def test_rows_come_back_as_they_were_written(directory: Path, make_theorem: MakeTheorem) -> None:
    _, rows = make_theorem("t1", "proved")
    assert [row for row in read_trajectory(directory).rows() if row.theorem == "t1"] == rows


def test_a_single_shard_is_a_trajectory_too(directory: Path) -> None:
    trajectory = read_trajectory(directory / "part-000000.parquet")
    assert [record.theorem.name for record in trajectory.records] == ["t1", "t2", "t3"]
    assert trajectory.table().num_rows == 7


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError, match="nowhere does not exist"):
        read_trajectory(tmp_path / "nowhere")
    with pytest.raises(TrajectoryError, match="holds no finished shard"):
        read_trajectory(tmp_path)


def test_one_damaged_shard_is_named(directory: Path) -> None:
    (directory / "part-000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(TrajectoryError, match=r"part-000001\.parquet"):
        read_trajectory(directory)
