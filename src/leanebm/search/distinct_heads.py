"""Search with candidates that begin differently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from leanebm.core import Candidate, Node
from leanebm.search.answers import proposals_of
from leanebm.search.best_first import BestFirstSearch
from leanebm.search.progress import SearchProgress


def head_of(tactic: str) -> str:
    """The first word of a tactic, such as ``simp`` of ``simp [h]``; empty if it has none."""
    return next(iter(tactic.split()), "")


class DistinctHeadsSearch(BestFirstSearch):
    """Best-first search that runs few candidates of one head (first word), and so more kinds of tactics.

    The policy is asked for more candidates than are run. Of those with one head the ``most`` likeliest are kept; where
    that leaves too few, the others fill up, the likeliest first.

    Args:
        most: candidates with one head that come before others, at least 1.
        oversampling: how many times ``config.candidates_per_state`` the policy is asked for, at least 1.
        parts: as of :class:`BestFirstSearch`.

    Raises:
        ValueError: a number is below 1.
    """

    def __init__(self, *, most: int = 2, oversampling: int = 2, **parts: Any) -> None:
        super().__init__(**parts)
        if min(most, oversampling) < 1:
            raise ValueError(f"both numbers are at least 1: most is {most}, oversampling {oversampling}")
        self.most = most
        self.oversampling = oversampling

    async def expand(self, progress: SearchProgress, node: Node) -> Sequence[Candidate]:  # noqa: ARG002
        """The policy's candidates, those beyond ``most`` of one head behind all others."""
        candidates = await proposals_of(self.policy, node.state, self.oversampling * self.config.candidates_per_state)
        seen = Counter[str]()
        first, later = list[Candidate](), list[Candidate]()
        for candidate in candidates:
            head = head_of(candidate.tactic)
            (first if seen[head] < self.most else later).append(candidate)
            seen[head] += 1
        return [*first, *later]
