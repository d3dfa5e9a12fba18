"""A policy that remembers what it proposed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import final

from leanebm.core import Candidate, ProofState, TacticPolicy

__all__ = ["CachedPolicy"]


@final
class CachedPolicy:
    """Wraps a policy; a state that was seen before gets the same candidates without asking.

    States are told apart by their key, so two that differ only in bound names share an entry. The
    least recently used entry goes first. Worth it where many searches meet the same states; a
    sampling policy gives no new samples for a remembered state, which is the point.
    """

    def __init__(self, policy: TacticPolicy, *, max_states: int = 4096) -> None:
        if max_states < 1:
            raise ValueError(f"max_states must be at least 1, got {max_states}")
        self._policy = policy
        self._max_states = max_states
        self._known: OrderedDict[tuple[str, int], tuple[Candidate, ...]] = OrderedDict()

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        """Candidates for ``state``, remembered by its key and ``n``.

        Raises:
            PolicyError: the wrapped policy could not answer; nothing is remembered then.
        """
        entry = (state.key, n)
        if (known := self._known.get(entry)) is not None:
            self._known.move_to_end(entry)
            return known
        candidates = tuple(await self._policy.propose(state, n))
        self._known[entry] = candidates
        if len(self._known) > self._max_states:
            self._known.popitem(last=False)
        return candidates

    def forget(self) -> None:
        """Drop every entry; do so when the policy's weights change."""
        self._known.clear()
