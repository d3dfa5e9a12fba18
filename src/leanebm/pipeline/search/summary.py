"""What a run found, for a person and for a script."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Final

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import SearchOutcome
from leanebm.data.conjectures import family_of
from leanebm.errors import ConfigError
from leanebm.storage import RunInfo
from leanebm.trajectory import (
    AnytimeCurve,
    Cost,
    TheoremRecord,
    TrajectorySummary,
    best_of,
    doublings,
    read_attempts,
    summary_of,
)

REMEMBERED: Final = "answers_remembered"
"""What a run says of itself, beside the models it asked, if its answers may come from another search."""

NO_TIMES: Final = "some of their answers were remembered from another search, so their times mean nothing @ --by"
"""Why searches of such a run are not told apart by seconds."""

PERCENTILES: Final = (50, 95, 99)


_ENDINGS: Final = ("attempted", "proved", "certified", "rejected", "infrastructure", "exhausted", "budget_spent")
"""Figures that count theorems, not searches."""


def expansions_allowed(run: RunInfo) -> int | None:
    """The budget of a run's searches; ``None`` if it does not say."""
    allowed: Any = run.config
    for key in ("search", "budget", "max_expansions"):
        allowed = allowed.get(key) if isinstance(allowed, Mapping) else None
    return allowed if isinstance(allowed, int) else None


def is_remembered(run: RunInfo) -> bool:
    """Whether some of a run's answers may come from another search, so that its times mean nothing."""
    served = run.config.get("served")
    return isinstance(served, Mapping) and REMEMBERED in served


@attrs.frozen(kw_only=True)
class RunSummary:
    """A run's totals, and each theorem's ending."""

    path: Path = attrs.field(converter=Path)
    """The trajectory."""

    totals: TrajectorySummary
    records: tuple[TheoremRecord, ...] = attrs.field(repr=False)
    """Each theorem's last search, in the order they were first finished; where it was searched several times with
    other samples, the one that proved it with the fewest expansions."""

    others: tuple[TheoremRecord, ...] = attrs.field(default=(), repr=False)
    """The searches beside these, where theorems were searched several times."""

    resumed_despite: tuple[str, ...] = ()
    """What differs between the runs that were pooled, if somebody resumed one all the same."""

    budgets: tuple[float, ...] = ()
    """Budgets of 1, 2, 4 … expansions up to the run's own; none if it does not say."""

    has_times: bool = True
    """Whether its seconds mean anything: not if answers may come from another search."""

    __repr__ = fitting_repr

    def curve_by(self, cost: Cost) -> tuple[tuple[float, int], ...]:
        """How many theorems were proved within budgets of 1, 2, 4 … of ``cost``.

        Raises:
            ConfigError: it is seconds, and they mean nothing.
            TrajectoryError: the searches did not count it.
        """
        curve = self._spent(cost)
        return tuple((budget, curve.proved_within(budget)) for budget in self._budgets_of(curve))

    def by_family(self, cost: Cost = Cost.EXPANSIONS) -> Mapping[str, tuple[int, tuple[tuple[float, int], ...]]]:
        """Of each family of conjectures, by the names of theorems: how many, and their curve at the same budgets.

        Theorems of which nothing is known, because a search broke, are left out. Empty for other theorems.

        Raises:
            ConfigError: it is seconds, and they mean nothing.
            TrajectoryError: the searches did not count the cost.
        """
        curve = self._spent(cost)
        families: dict[str, list[float]] = {}
        for name, spent in curve.spent.items():
            if family := family_of(name):
                families.setdefault(family, []).append(spent)
        budgets = self._budgets_of(curve)
        return {
            family: (len(spent), tuple((budget, sum(each <= budget for each in spent)) for budget in budgets))
            for family, spent in sorted(families.items())
        }

    def _spent(self, cost: Cost) -> AnytimeCurve:
        if cost is Cost.SECONDS and not self.has_times:
            raise ConfigError(f"the searches of {self.path} have no curve over seconds:", [NO_TIMES])
        return AnytimeCurve.of((*self.records, *self.others), cost)

    def _budgets_of(self, curve: AnytimeCurve) -> tuple[float, ...]:
        return self.budgets if curve.cost is Cost.EXPANSIONS else curve.budgets

    @property
    def seconds(self) -> Mapping[int, float]:
        """The 50th, 95th and 99th percentile of the seconds that a theorem's search took; empty without times."""
        times = sorted(record.wall_s for record in (*self.records, *self.others) if record.is_final)
        if not times or not self.has_times:
            return {}
        return {percent: times[math.ceil(percent / 100 * len(times)) - 1] for percent in PERCENTILES}

    @property
    def curve(self) -> tuple[tuple[float, int], ...]:
        """How many theorems were proved within each of ``budgets``."""
        return self.curve_by(Cost.EXPANSIONS)

    @property
    def proof_lengths(self) -> tuple[int, ...]:
        """How many tactics each proof has, the shortest first."""
        return tuple(sorted(len(record.certificate.tactics) for record in self.records if record.certificate))

    def ended(self, outcome: SearchOutcome) -> tuple[TheoremRecord, ...]:
        """The theorems whose search ended so."""
        return tuple(record for record in self.records if record.outcome is outcome)

    def as_json(self, cost: Cost = Cost.EXPANSIONS) -> dict[str, Any]:
        """Plain values: the fields of :class:`~leanebm.trajectory.TrajectorySummary`, and six more.

        ``searches`` is above ``attempted`` where theorems were searched several times; ``curve`` holds ``[budget,
        proved]`` with budgets of ``cost``; ``seconds`` the percentiles by their names; ``one_tactic_proofs``
        and ``median_proof_length`` say how deep the proofs are, in tactics; ``by_family`` holds a curve and the number
        ``attempted`` of each family of conjectures.

        Raises:
            ConfigError: it is seconds, and they mean nothing.
            TrajectoryError: the searches did not count the cost.
        """
        lengths = self.proof_lengths
        return attrs.asdict(self.totals) | {
            "searches": len(self.records) + len(self.others),
            "curve": [list(point) for point in self.curve_by(cost)],
            "seconds": {f"p{percent}": seconds for percent, seconds in self.seconds.items()},
            "by_family": {
                family: {"attempted": attempted, "curve": [list(point) for point in curve]}
                for family, (attempted, curve) in self.by_family(cost).items()
            },
            "one_tactic_proofs": lengths.count(1),
            "median_proof_length": statistics.median(lengths) if lengths else None,
        }


def summarise_run(path: str | os.PathLike[str]) -> RunSummary:
    """Sum up a run, given its folder or its trajectory.

    A theorem that was searched several times is proved if one of these searches proved it. What all of them cost is
    added up.

    Raises:
        ConfigError: there is none.
        TrajectoryError: a shard is damaged or of another version.
    """
    shards, *further = read_attempts(path)
    searches: dict[str, list[TheoremRecord]] = {}
    for record in chain(shards.records, *(run.records for run in further)):
        searches.setdefault(record.theorem.name, []).append(record)
    records = tuple(map(best_of, searches.values()))
    others = tuple(record for each in searches.values() for record in each if record is not best_of(each))
    endings = summary_of(records)
    allowed = expansions_allowed(shards.runs[-1])
    return RunSummary(
        path=shards.path,
        totals=attrs.evolve(summary_of((*records, *others)), **{name: getattr(endings, name) for name in _ENDINGS}),
        records=records,
        others=others,
        budgets=() if allowed is None else doublings(allowed),
        has_times=not is_remembered(shards.runs[-1]),
        resumed_despite=tuple(line for run in shards.runs for line in run.resumed_despite),
    )
