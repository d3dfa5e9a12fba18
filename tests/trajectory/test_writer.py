from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.storage import RunInfo
from leanebm.trajectory import TrajectoryWriter, read_trajectory


async def test_a_written_search_is_read_back_equal(
    tmp_path: Path, make_run: Callable[..., RunInfo], make_theorem: Callable[..., Any]
) -> None:
    record, rows = make_theorem("t1", "proved")
    async with TrajectoryWriter(tmp_path, run=make_run()) as writer:
        await writer.write(record, rows)
    trajectory = read_trajectory(tmp_path)
    assert trajectory.records == (record,)
    assert list(trajectory.rows()) == rows


async def test_a_lost_search_is_not_completed(
    tmp_path: Path, make_run: Callable[..., RunInfo], make_theorem: Callable[..., Any]
) -> None:
    async with TrajectoryWriter(tmp_path, run=make_run()) as writer:
        await writer.write(*make_theorem("t1", "infrastructure"))
        await writer.write(*make_theorem("t2", "exhausted"))
        assert writer.completed() == {"t2"}


@pytest.mark.parametrize("stray", [{"theorem": "t2"}, {"run_id": "run-9"}])
async def test_rows_of_another_search_are_refused(
    tmp_path: Path, make_run: Callable[..., RunInfo], make_theorem: Callable[..., Any], stray: dict[str, str]
) -> None:
    record, rows = make_theorem("t1")
    async with TrajectoryWriter(tmp_path, run=make_run()) as writer:
        with pytest.raises(ValueError, match="rows of another theorem or run"):
            await writer.write(record, [*rows, attrs.evolve(rows[0], **stray)])


# --- kill -9 ------------------------------------------------------------------------------------

VICTIM = """
import asyncio, sys
import attrs
from leanebm.core import Theorem
from leanebm.storage import RunInfo, ShardWriterConfig
from leanebm.trajectory import TheoremRecord, TrajectoryRow, TrajectoryWriter

run = RunInfo(run_id=sys.argv[2], started_unix_s=0.0, seed=0, backend="toy", lean_version="none",
              leanebm_version="0", config={})
row = TrajectoryRow(run_id=run.run_id, theorem="", statement="s", outcome="exhausted", node=0, parent=-1,
                    state_key="k", state_text="t", num_goals=1, tactic=None, log_prob=0.0, path_log_prob=0.0,
                    priority=0.0, depth=0, remaining_depth=-1, on_proof_path=False, status="dead",
                    started_unix_s=0.0, found_s=0.0, tactic_s=0.0, worker_epoch=0, backend="toy", seed=0)

async def search(writer, name):
    record = TheoremRecord(theorem=Theorem(name=name, statement="s"), run_id=run.run_id, outcome="exhausted",
                           started_unix_s=0.0, nodes=50, expansions=50, tactic_calls=0, wall_s=0.0)
    await writer.write(record, [attrs.evolve(row, theorem=name, node=i) for i in range(50)])
    print(name, flush=True)  # this is what was reported

async def main():
    config = ShardWriterConfig(max_wait_s=0.0)
    async with TrajectoryWriter(sys.argv[1], run=run, config=config) as writer:
        done = writer.completed()
        for i in range(0, 1_000_000, 3):
            names = [f"t{j}" for j in range(i, i + 3) if f"t{j}" not in done]
            await asyncio.gather(*(search(writer, name) for name in names))

asyncio.run(main())
"""


def test_a_run_that_is_killed_has_lost_nothing_that_it_reported(tmp_path: Path) -> None:
    reported: list[str] = []
    for attempt, num_lines in enumerate([1, 7, 12]):
        with subprocess.Popen(
            [sys.executable, "-c", VICTIM, str(tmp_path), f"run-{attempt}"], stdout=subprocess.PIPE, text=True
        ) as victim:
            assert victim.stdout is not None
            reported += [victim.stdout.readline().strip() for _ in range(num_lines)]
            victim.send_signal(signal.SIGKILL)
            reported += victim.stdout.read().split()
        assert victim.returncode == -signal.SIGKILL

        trajectory = read_trajectory(tmp_path)
        names = [record.theorem.name for record in trajectory.records]
        assert set(reported) <= set(names)
        assert len(reported) == len(set(reported)), "a resumed run does not repeat what is done"
        per_theorem = trajectory.table().group_by("theorem").aggregate([("node", "count")])
        assert dict(zip(*(column.to_pylist() for column in per_theorem.columns), strict=True)) == dict.fromkeys(
            names, 50
        )
