"""A leaf of a search tree, as a scorer sees it."""

from __future__ import annotations

import attrs

from leanebm._shown import fitting_repr
from leanebm.core.proof_state import ProofState
from leanebm.core.theorem import Theorem


@attrs.frozen
class Leaf:
    """Everything a scorer may look at: the state and how the search came there."""

    theorem: Theorem
    state: ProofState
    path_log_prob: float
    """Sum of the natural log-probabilities of the tactics from the root."""

    depth: int
    """Number of tactics from the root; 0 for the root."""

    energy: float | None = None
    """What the search's energy model said of the state, lower is more provable; ``None`` if it has none."""

    __repr__ = fitting_repr
