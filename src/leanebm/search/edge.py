"""What became of one tactic that the search ran on one state."""

from __future__ import annotations

import enum

import attrs

__all__ = ["Edge", "EdgeKind"]


class EdgeKind(enum.Enum):
    """Where a tactic led."""

    ADVANCED = "advanced"
    """To a state that the search had not seen: a new node."""

    MERGED = "merged"
    """To a state that the search already knew by another path."""

    CYCLIC = "cyclic"
    """Back to the state itself or to one above it; no proof needs such a step."""

    FINISHED = "finished"
    """To no goals: a candidate proof."""

    REJECTED = "rejected"
    """Nowhere: Lean refused the tactic."""

    TIMED_OUT = "timed_out"
    """Nowhere that we know of: the tactic ran into a limit inside Lean."""


@attrs.frozen(kw_only=True)
class Edge:
    """One tactic call: an observation, never changed afterwards, also when paths are."""

    tactic: str
    log_prob: float
    """Natural logarithm of the tactic's probability under the policy."""

    kind: EdgeKind
    target: int | None = None
    """Index of the node it led to; ``None`` if it led nowhere."""

    message: str = ""
    """Lean's own words, where it refused or gave up."""

    elapsed_s: float
    """Seconds that Lean took."""
