"""An encoder that counts instead of reading: what a head on it can do, sizes alone can do."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Final, final

from leanebm._shown import named_repr
from leanebm.core import EncoderIdentity
from leanebm.core.state_counts import NUM_STATE_COUNTS, state_counts

COUNTS: Final = EncoderIdentity(
    model="leanebm state counts", weights="1", pooling="none", is_normalized=False, dim=NUM_STATE_COUNTS
)
"""Says that a head was trained on counts, so that it brings its encoder along."""


@final
class CountingEncoder:
    """Eight counts of a state, on a logarithmic scale: what a head on embeddings has to beat.

    Sizes, goals, hypotheses and symbols (:func:`leanebm.core.state_counts.state_counts`). No server is asked.
    """

    __repr__ = named_repr()

    async def identity(self) -> EncoderIdentity:
        """Which counts these are."""
        return COUNTS

    async def encode(self, texts: Sequence[str]) -> Sequence[array[float]]:
        """``log(1 + count)`` for each count."""
        return [array("f", map(math.log1p, state_counts(text))) for text in texts]
