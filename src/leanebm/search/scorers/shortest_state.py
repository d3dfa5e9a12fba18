"""Score by size alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import attrs

from leanebm.core import Leaf


@attrs.frozen
class ShortestState:
    """``-characters`` of the state's text: the simplest rule that looks at the state. A learnt one has to beat it."""

    reads_energy: ClassVar[bool] = False

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        """The number of characters of each state, negated."""
        return [-float(len(leaf.state.text)) for leaf in leaves]
