"""Several searches of the same theorems, with other samples of the policy, that count as one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from leanebm.core import SearchOutcome
from leanebm.storage import shard_paths
from leanebm.trajectory.record import TheoremRecord
from leanebm.trajectory.schema import TRAJECTORY_FOLDER, Trajectory, read_trajectory


def attempt_folder(run: str | os.PathLike[str], number: int) -> Path:
    """Where the search of that number, counted from 1, is kept; the first one is the run itself."""
    return Path(run) if number == 1 else Path(run) / f"attempt-{number}"


def read_attempts(path: str | os.PathLike[str]) -> tuple[Trajectory, ...]:
    """Open a run, and the further searches of its theorems that ``leanebm eval --pass-n`` put beside it.

    Raises:
        TrajectoryError: as :func:`read_trajectory`, of which this takes the same paths.
    """
    found, number = [read_trajectory(path)], 2
    while shard_paths((folder := attempt_folder(path, number)) / TRAJECTORY_FOLDER):
        found.append(read_trajectory(folder))
        number += 1
    return tuple(found)


def best_of(records: Iterable[TheoremRecord]) -> TheoremRecord:
    """Of one theorem's searches, at least one, the one that counts: the proof of fewest expansions, or the first.

    Without a proof, one that broke counts before the others: it might have proved the theorem, so nothing is known.
    """

    def rank(record: TheoremRecord) -> tuple[bool, bool, int]:
        is_proved = record.outcome is SearchOutcome.PROVED
        return not is_proved, record.is_final, record.expansions if is_proved else 0

    return min(records, key=rank)
