"""Score by depth alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import attrs

from leanebm.core import Leaf


@attrs.frozen
class BreadthFirst:
    """``-depth``: every state is expanded before any deeper one, whatever the policy thinks.

    The first proof found is one of the shortest within the policy's candidates. As a control it shows
    how much of a result is due to the order of expansion.
    """

    reads_energy: ClassVar[bool] = False

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        """The number of tactics to each leaf, negated."""
        return [-float(leaf.depth) for leaf in leaves]
