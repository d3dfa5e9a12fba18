"""A trajectory in a dozen numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import attrs

from leanebm.core import SearchOutcome
from leanebm.trajectory.record import TheoremRecord

_COSTS: Final = (
    "nodes", "expansions", "tactic_calls",
    "wall_s", "policy_s", "policy_wait_s", "lean_s", "score_s", "certify_s",
)  # fmt: skip
"""Figures of a search that add up."""


@attrs.frozen(kw_only=True)
class TrajectorySummary:
    """How the searches ended and what they cost.

    ``attempted`` is the sum of ``proved``, ``exhausted``, ``budget_spent``, ``rejected`` and
    ``infrastructure``. A rate of success has two honest denominators: ``attempted``, and ``attempted``
    without ``infrastructure``, of which nothing is known.
    """

    attempted: int
    """Theorems searched."""

    proved: int
    """Theorems proved."""

    certified: int
    """Proofs that carry a certificate; equal to ``proved``, because nothing else counts as proved."""

    rejected: int
    """Theorems for which a proof was believed in and none was certified."""

    infrastructure: int
    """Theorems whose search was lost."""

    exhausted: int
    """Theorems whose every reachable state was expanded in vain."""

    budget_spent: int
    """Theorems whose search a limit ended."""

    rejections: int
    """Candidate proofs that certification did not accept, over all theorems."""

    nodes: int
    expansions: int
    tactic_calls: int
    wall_s: float
    """Seconds of search, summed over theorems; runs that search several at once take less."""

    policy_s: float
    """Of these, seconds spent waiting for candidates."""

    policy_wait_s: float
    """Of these, seconds in which no server was at work on them."""

    lean_s: float
    """Seconds spent waiting for tactics."""

    score_s: float
    """Seconds spent waiting for scores."""

    certify_s: float
    """Seconds spent waiting for the certifier."""


def summary_of(records: Sequence[TheoremRecord]) -> TrajectorySummary:
    """Sum up the records of :func:`~leanebm.trajectory.read_trajectory`, or some of them."""
    outcomes = Counter(record.outcome for record in records)
    return TrajectorySummary(
        attempted=len(records),
        proved=outcomes[SearchOutcome.PROVED],
        certified=sum(record.certificate is not None for record in records),
        rejected=outcomes[SearchOutcome.REJECTED],
        infrastructure=outcomes[SearchOutcome.INFRASTRUCTURE],
        exhausted=outcomes[SearchOutcome.EXHAUSTED],
        budget_spent=outcomes[SearchOutcome.BUDGET_SPENT],
        rejections=sum(len(record.rejections) for record in records),
        **{name: sum(getattr(record, name) for record in records) for name in _COSTS},
    )
