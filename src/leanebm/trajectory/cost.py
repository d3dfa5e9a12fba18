"""What a proof cost, and how many theorems are proved within a budget."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping
from typing import Self

import attrs

from leanebm._shown import fitting_repr, how_many, shown
from leanebm.core import SearchOutcome
from leanebm.errors import TrajectoryError
from leanebm.trajectory.record import TheoremRecord


class Cost(enum.StrEnum):
    """In what a budget is counted. The values are fields of :class:`TheoremRecord`."""

    EXPANSIONS = "expansions"
    """Nodes about which the policy was asked."""

    TACTIC_CALLS = "tactic_calls"
    """Tactics that Lean ran."""

    POLICY_CALLS = "policy_calls"
    """Times the policy was asked for candidates."""

    ENERGY_CALLS = "energy_calls"
    """States that were given an energy. A head has each of them encoded once, so these are encoder calls, too."""

    MODEL_CALLS = "model_calls"
    """Policy and energy calls together, so that a search with a head is charged for asking it."""

    SECONDS = "wall_s"
    """Wall time; it depends on the machine and on what else that does."""

    @property
    def noun(self) -> str:
        """For a person: ``tactic calls``."""
        return "seconds" if self is Cost.SECONDS else self.value.replace("_", " ")


def doublings(limit: float) -> tuple[float, ...]:
    """The budgets 1, 2, 4 … up to ``limit``, and ``limit`` itself, which is at least 1."""
    powers = [2.0**exponent for exponent in range(math.floor(math.log2(limit)) + 1)]
    return (*powers, limit) if powers[-1] < limit else tuple(powers)


@attrs.frozen(kw_only=True)
class AnytimeCurve:
    """How many theorems a run had proved within each budget.

    A search with budget B begins as one with a larger budget does, so one run at the largest tells all the others.
    """

    cost: Cost
    spent: Mapping[str, float] = attrs.field(repr=how_many)
    """What the proof of each theorem cost, by name; infinite where there is none. Theorems without a proof are left out
    if a search of theirs broke: of these nothing is known."""

    __repr__ = fitting_repr

    @classmethod
    def of(cls, records: Iterable[TheoremRecord], cost: Cost = Cost.EXPANSIONS) -> Self:
        """The curve of a run's records; of several searches of one theorem the cheapest proof counts.

        Raises:
            TrajectoryError: a search did not count this cost.
        """
        records = tuple(records)
        final = [record for record in records if record.is_final]
        if uncounted := [record.theorem.name for record in final if getattr(record, cost) is None]:
            raise TrajectoryError(
                f"{cost.noun} were not counted when {shown(uncounted[0])} was searched, by an older "
                "leanebm or by a search that does not count them: count budgets in something else, or search again"
            )
        spent: dict[str, float] = {}
        for record in final:
            price = float(getattr(record, cost)) if record.outcome is SearchOutcome.PROVED else math.inf
            spent[record.theorem.name] = min(price, spent.get(record.theorem.name, math.inf))
        broken = {record.theorem.name for record in records if not record.is_final}
        known = {name: price for name, price in spent.items() if price < math.inf or name not in broken}
        return cls(cost=cost, spent=known)

    @classmethod
    def on_shared_theorems(cls, curves: Mapping[str, Self]) -> dict[str, Self]:
        """The curves, each on the theorems that all of them know: only so can one be called better than another."""
        known = set.intersection(*(set(curve.spent) for curve in curves.values())) if curves else set()
        return {
            key: attrs.evolve(curve, spent={name: cost for name, cost in curve.spent.items() if name in known})
            for key, curve in curves.items()
        }

    @property
    def budgets(self) -> tuple[float, ...]:
        """The budgets 1, 2, 4 … up to what the dearest proof cost."""
        return doublings(max([1.0, *(math.ceil(spent) for spent in self.spent.values() if math.isfinite(spent))]))

    def proved_within(self, budget: float) -> int:
        """Theorems whose proof cost at most ``budget``."""
        return sum(spent <= budget for spent in self.spent.values())

    def areas(self, smallest: float, largest: float) -> dict[str, float]:
        """Each theorem's part of the area under the curve of shares, between two budgets and over their logarithm.

        Between 0, for a theorem that ``largest`` does not prove, and 1, for one that ``smallest`` proves. Each doubling
        of the budget counts as much as the next.
        """

        def area(spent: float) -> float:
            if spent > largest:
                return 0.0
            if spent <= smallest:
                return 1.0
            return math.log(largest / spent) / math.log(largest / smallest)

        return {name: area(spent) for name, spent in self.spent.items()}
