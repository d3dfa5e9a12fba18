"""What a run found, for a person and for a script."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import SearchOutcome
from leanebm.trajectory import TheoremRecord, TrajectorySummary, read_trajectory, summarise


@attrs.frozen(kw_only=True)
class RunSummary:
    """A run's totals, and each theorem's ending."""

    path: Path = attrs.field(converter=Path)
    """The trajectory."""

    totals: TrajectorySummary
    records: tuple[TheoremRecord, ...] = attrs.field(repr=False)
    """Each theorem's last search, in the order they were first finished."""

    resumed_despite: tuple[str, ...] = ()
    """What differs between the runs that were pooled, if somebody resumed one all the same."""

    __repr__ = fitting_repr

    def ended(self, outcome: SearchOutcome) -> tuple[TheoremRecord, ...]:
        """The theorems whose search ended so."""
        return tuple(record for record in self.records if record.outcome is outcome)

    def as_json(self) -> dict[str, Any]:
        """The totals as plain values; the keys are the fields of :class:`~leanebm.trajectory.TrajectorySummary`."""
        return attrs.asdict(self.totals)


def summarise_run(path: str | os.PathLike[str]) -> RunSummary:
    """Sum up a run, given its folder or its trajectory.

    Raises:
        TrajectoryError: there is none, or a shard is damaged or of another version.
    """
    shards = read_trajectory(path)
    return RunSummary(
        path=shards.path,
        totals=summarise(shards.path),
        records=shards.records,
        resumed_despite=tuple(line for run in shards.runs for line in run.resumed_despite),
    )
