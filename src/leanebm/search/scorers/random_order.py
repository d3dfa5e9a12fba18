"""Score by chance."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import ClassVar

import attrs
from attrs.validators import ge, instance_of

from leanebm.core import Leaf


@attrs.frozen
class RandomOrder:
    """A number that only the seed and the state decide, the same on every machine: what order is worth at all.

    A scorer that orders no better than this one has learnt nothing that a search can use.
    """

    seed: int = attrs.field(default=0, validator=[instance_of(int), ge(0)])
    """At least 0; each seed is another order."""

    reads_energy: ClassVar[bool] = False

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        """Numbers from 0 to 1, spread evenly over states."""
        return [self._number(leaf) for leaf in leaves]

    def _number(self, leaf: Leaf) -> float:
        digest = hashlib.sha256(f"{self.seed}/{leaf.state.key}".encode(errors="surrogatepass")).digest()
        return int.from_bytes(digest[:6]) / 2**48
