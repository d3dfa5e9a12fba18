"""What a search object remembers of each of its searches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar, final
from weakref import WeakKeyDictionary

from leanebm.search.progress import SearchProgress

T = TypeVar("T")


@final
class PerSearch(Generic[T]):
    """One of something for each theorem's search, made when it is first asked for, and gone with the search.

    Args:
        make: makes one. What it makes must not refer to the :class:`SearchProgress`, which it would keep alive.
    """

    def __init__(self, make: Callable[[SearchProgress], T]) -> None:
        self._make = make
        self._kept: WeakKeyDictionary[SearchProgress, T] = WeakKeyDictionary()

    def of(self, progress: SearchProgress) -> T:
        """The one of this search."""
        if progress not in self._kept:
            self._kept[progress] = self._make(progress)
        return self._kept[progress]
