"""The frontier: open nodes in the order in which they are to be expanded."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from leanebm._shown import named_repr
from leanebm.core import Node


class Frontier:
    """A stable priority queue: the highest priority first; among equals, the one pushed first.

    It is a sorted list, not a heap, so that a node whose priority changed is moved for good
    (no stale entries, and ``len`` is exact) and a bounded frontier finds its lowest at once.
    At the sizes a search reaches, shifting a list costs microseconds; a tactic costs milliseconds.

    Args:
        max_size: the most nodes it holds; ``None`` for no bound.
    """

    def __init__(self, max_size: int | None = None) -> None:
        if max_size is not None and max_size < 1:
            raise ValueError(f"a frontier holds at least one node, not {max_size}")
        self._max_size = max_size
        self._pushed = 0
        # (priority, -order of pushing, node), ascending: the best is the last. Orders are unique,
        # so a comparison never reaches the node.
        self._entries: list[tuple[float, int, Node]] = []
        self._entry_of: dict[int, tuple[float, int, Node]] = {}

    __repr__ = named_repr("_entries")

    def push(self, node: Node) -> Node | None:
        """Queue ``node`` by its priority; one that is queued already takes its new place.

        Returns:
            The node dropped to stay within ``max_size`` (it may be ``node`` itself), or ``None``.

        Raises:
            ValueError: the node has no priority.
        """
        if node.priority is None:
            raise ValueError(f"node {node.index} has not been scored, so it cannot be queued")
        if node in self:
            self.take(node)
        entry = (node.priority, -self._pushed, node)
        self._pushed += 1
        insort(self._entries, entry)
        self._entry_of[node.index] = entry
        if self._max_size is None or len(self) <= self._max_size:
            return None
        return self.take(self._entries[0][2])

    def pop(self) -> Node:
        """Remove and return the best node.

        Raises:
            IndexError: the frontier is empty.
        """
        return self.take(self._entries[-1][2])

    def take(self, node: Node) -> Node:
        """Remove and return ``node``.

        Raises:
            KeyError: it is not queued.
        """
        entry = self._entry_of.pop(node.index)
        del self._entries[bisect_left(self._entries, entry)]
        return node

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, node: Node) -> bool:
        return node.index in self._entry_of

    def __iter__(self) -> Iterator[Node]:
        """The queued nodes, the best first."""
        return (node for _, _, node in reversed(self._entries))
