"""Score by depth alone, the deepest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import attrs

from leanebm.core import Leaf


@attrs.frozen
class DepthFirst:
    """``depth``: the newest path is followed to its end before another one is taken up. A control."""

    reads_energy: ClassVar[bool] = False

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        """The number of tactics to each leaf."""
        return [float(leaf.depth) for leaf in leaves]
