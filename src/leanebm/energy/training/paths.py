"""The states on the way to a theorem's proof, ordered by how far they are from its end."""

from __future__ import annotations

from typing import Self

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["TheoremPaths"]

Indices = NDArray[np.int64]


@attrs.frozen(kw_only=True, eq=False)
class TheoremPaths:
    """States on the path of each of ``T`` theorems, ``P`` in all, each once a theorem, the nearest to the end first.

    A theorem with several proofs has the states of all, each at its smallest remaining depth.
    """

    state: Indices
    """``[P]``, ordered by theorem, then by remaining depth."""

    remaining_depth: Indices
    """Tactics to the end of the proof, ``[P]``."""

    start: Indices
    """Where a theorem's states begin, ``[T + 1]``."""

    @classmethod
    def of(cls, *, theorem: Indices, state: Indices, remaining_depth: Indices, num_theorems: int) -> Self:
        """Sort out mentions of states on the path; the three arrays are parallel."""
        by_state = np.lexsort((remaining_depth, state, theorem))
        is_first = np.ones(len(by_state), dtype=bool)
        is_first[1:] = (np.diff(theorem[by_state]) != 0) | (np.diff(state[by_state]) != 0)
        kept = by_state[is_first]
        kept = kept[np.lexsort((state[kept], remaining_depth[kept], theorem[kept]))]
        return cls(
            state=state[kept],
            remaining_depth=remaining_depth[kept],
            start=np.searchsorted(theorem[kept], np.arange(num_theorems + 1)),
        )
