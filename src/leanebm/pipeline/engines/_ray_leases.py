"""Which of several workers is at which item of a job, and what is handed out next."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Generic, TypeVar, final

import attrs

from leanebm._shown import named_repr
from leanebm.pipeline.engines.engine import Ended, Job, given_up_item, longest_first

T = TypeVar("T")

MAX_LOSSES: Final = 5
"""An item that was out with so many workers when they were lost is given up: it may be what they died of."""

WHY_GIVEN_UP: Final = f"given up: {MAX_LOSSES} workers were lost while they were at it"

_SLOW: Final = 2.0
"""An item is repeated once it is out for so many times what the median item took."""


@attrs.define(eq=False)
class _Lease(Generic[T]):
    """An item that has not ended."""

    item: T
    holders: dict[str, float] = attrs.field(factory=dict)
    """Who is at it, and since when."""

    losses: int = 0
    is_recorded: bool = False
    """Whether a worker who joined saw its result in the folder, before anybody told of it."""


@final
class Leases(Generic[T]):
    """Hands items out, each to one worker at a time; at the end, when workers are idle, the slow ones to a second one.

    An item ends once, whoever tells of it first.

    Args:
        job: the items.
        expected_s: how long items are expected to take, by their names; the longest are handed out first. One that is
            not in it is taken for a median one.
        clock: seconds that never go back.
    """

    def __init__(
        self, job: Job[T], *, expected_s: Mapping[str, float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        items = {job.name_of(item): item for item in job.items}
        names = longest_first(items, expected_s)
        self._open = {name: _Lease(items[name]) for name in names}
        self._items = items
        self._ended: list[Ended] = []
        self._took_s: list[float] = []
        self._clock = clock

    __repr__ = named_repr("_open")

    @property
    def ended(self) -> Sequence[Ended]:
        """What was told of the items that ended now, in that order; not those that the folder held before."""
        return tuple(self._ended)

    @property
    def lost(self) -> Sequence[T]:
        """The items that were given up, or ended in nothing final."""
        return tuple(self._items[ended.name] for ended in self._ended if not ended.is_final)

    @property
    def num_open(self) -> int:
        """Items that have not ended."""
        return len(self._open)

    def joined(self, waiting: Collection[str]) -> None:
        """A worker is there, and found all but these recorded in the folder."""
        for name in self._open.keys() - set(waiting):
            self._open[name].is_recorded = True
            self._end_if_recorded(name)

    def take(self, worker: str) -> T | None:
        """What ``worker`` is to do next; ``None`` while there is nothing for it."""
        free = (name for name, lease in self._open.items() if not lease.holders)
        name = next(free, None) or self._slowest(worker)
        if name is None:
            return None
        self._open[name].holders[worker] = self._clock()
        return self._open[name].item

    def end(self, worker: str, ended: Ended) -> Sequence[str] | None:
        """Note how an item ended.

        Returns:
            The workers that are at it for nothing now; ``None`` if it had ended before.
        """
        lease = self._open.pop(ended.name, None)
        if lease is None:
            return None
        self._ended.append(ended)
        if worker in lease.holders:
            self._took_s.append(self._clock() - lease.holders.pop(worker))
        return tuple(lease.holders)

    def give_back(self, worker: str) -> Sequence[Ended]:
        """``worker`` is gone: what it had is handed out again, before everything else.

        Returns:
            What is given up.
        """
        given_up: list[Ended] = []
        held = [name for name, lease in self._open.items() if worker in lease.holders]
        for name in held:
            lease = self._open[name]
            del lease.holders[worker]
            lease.losses += 1
            if self._end_if_recorded(name) or lease.losses < MAX_LOSSES:
                continue
            given_up.append(given_up_item(name, WHY_GIVEN_UP))
        for ended in given_up:
            self.end(worker, ended)
        back = [name for name in held if name in self._open]
        self._open = {name: self._open[name] for name in [*back, *(name for name in self._open if name not in back)]}
        return given_up

    def _end_if_recorded(self, name: str) -> bool:
        lease = self._open[name]
        if not lease.is_recorded or lease.holders:
            return False  # whoever has it will tell
        del self._open[name]
        return True

    def _slowest(self, worker: str) -> str | None:
        """The item that is out for longest, with one other worker, if that is long."""
        if not self._took_s:
            return None
        before = self._clock() - _SLOW * statistics.median(self._took_s)
        out = {
            name: since
            for name, lease in self._open.items()
            if len(lease.holders) == 1 and not lease.is_recorded
            for holder, since in lease.holders.items()
            if holder != worker and since < before
        }
        return min(out, key=out.__getitem__, default=None)
