"""What a search may spend, and the meter that counts what it has spent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import attrs
from attrs.validators import ge, gt, instance_of, optional

from leanebm._shown import fitting_repr

Clock = Callable[[], float]
"""Seconds from some fixed moment, never going back, such as :func:`time.monotonic`."""


@attrs.frozen(kw_only=True)
class SearchBudget:
    """Limits of one theorem's search; the one reached first ends it."""

    max_expansions: int = attrs.field(default=100, validator=[instance_of(int), ge(1)])
    """Nodes that may be expanded, at least 1."""

    max_tactic_calls: int | None = attrs.field(default=None, validator=optional([instance_of(int), ge(1)]))
    """Tactics that may be run, at least 1; ``None`` for no limit."""

    max_wall_s: float | None = attrs.field(default=None, validator=optional(gt(0.0)))
    """Seconds from the moment the proof is open, above 0; ``None`` for no limit.

    Looked at before each expansion and before each tactic; a call in flight is not cut short.
    """

    def times(self, factor: int) -> Self:
        """Every limit that there is, ``factor`` times as large."""
        return type(self)(
            max_expansions=factor * self.max_expansions,
            max_tactic_calls=None if self.max_tactic_calls is None else factor * self.max_tactic_calls,
            max_wall_s=None if self.max_wall_s is None else factor * self.max_wall_s,
        )


@attrs.define(kw_only=True, eq=False)
class BudgetMeter:
    """A budget being spent. It starts when it is made."""

    budget: SearchBudget
    clock: Clock
    expansions: int = attrs.field(init=False, default=0)
    tactic_calls: int = attrs.field(init=False, default=0)
    policy_calls: int = attrs.field(init=False, default=0)
    energy_calls: int = attrs.field(init=False, default=0)
    _started_s: float = attrs.field(init=False)

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        self._started_s = self.clock()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the meter was made."""
        return self.clock() - self._started_s

    @property
    def tactics_left(self) -> int | None:
        """How many more tactics may be run, at most; ``None`` for no limit."""
        calls = self.budget.max_tactic_calls
        return None if calls is None else max(0, calls - self.tactic_calls)

    @property
    def seconds_left(self) -> float | None:
        """The time that is left; ``None`` for no limit."""
        wall_s = self.budget.max_wall_s
        return None if wall_s is None else max(0.0, wall_s - self.elapsed_s)

    @property
    def allows_tactic(self) -> bool:
        """Whether one more tactic may be run."""
        calls, wall_s = self.budget.max_tactic_calls, self.budget.max_wall_s
        return (calls is None or self.tactic_calls < calls) and (wall_s is None or self.elapsed_s < wall_s)

    @property
    def allows_expansion(self) -> bool:
        """Whether one more node may be expanded."""
        return self.expansions < self.budget.max_expansions and self.allows_tactic
