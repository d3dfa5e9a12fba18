"""Score by the energy of the state alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import attrs

from leanebm.core import Leaf
from leanebm.errors import EnergyError


@attrs.frozen
class NegativeEnergy:
    """``−E``: what the energy model thinks of the state, however the search came there.

    On its own it makes a search that ignores the policy's probabilities; as a term of
    :class:`WeightedSum` it guides one.
    """

    reads_energy: ClassVar[bool] = True

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        """The energy of each leaf, negated.

        Raises:
            EnergyError: a leaf has no energy: the search was given no energy model.
        """
        return [-_energy(leaf) for leaf in leaves]


def _energy(leaf: Leaf) -> float:
    if leaf.energy is None:
        raise EnergyError("a leaf has no energy: give the search an energy model, or score without energies")
    return leaf.energy
