"""The headline figure, broken down: an average hides the part that a search depends on."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
from numpy.typing import NDArray

from leanebm._shown import fitting_repr
from leanebm.energy.diagnostics.estimate import Estimate
from leanebm.energy.diagnostics.length_leak import length_deciles
from leanebm.energy.diagnostics.probability import DEPTH_BUCKETS, depth_bucket
from leanebm.energy.diagnostics.sibling_set import SiblingSet
from leanebm.energy.diagnostics.siblings import sibling_pairwise

__all__ = ["Slice", "sibling_slices"]


@attrs.frozen(kw_only=True)
class Slice:
    """Sibling pairwise accuracy on a part of the decision points."""

    by: str
    """What they are told apart by: ``depth``, ``length``, ``source`` or ``evidence``."""

    label: str
    """Which part it is, such as ``4–7``."""

    pairwise: Estimate
    groups: int
    """How many decision points with negatives the part has."""

    __repr__ = fitting_repr


def sibling_slices(siblings: SiblingSet) -> tuple[Slice, ...]:
    """Break sibling pairwise accuracy down by depth, length, source and the negatives' evidence; empty parts left out.

    Depth is the parent's, in tactics from the root. Length is the on-path state's tenth of all lengths, from
    ``1`` for the shortest. Evidence is ``dead`` for negatives verified to be so, else ``unknown``.
    """
    return tuple(
        Slice(by=by, label=label, pairwise=_pairwise(part), groups=groups)
        for by, label, part in _parts(siblings)
        if (groups := int(part.mask.any(axis=1).sum())) > 0
    )


def _parts(siblings: SiblingSet) -> Iterator[tuple[str, str, SiblingSet]]:
    bucket, decile = depth_bucket(siblings.depth), length_deciles(siblings)
    for index, label in enumerate(DEPTH_BUCKETS):
        yield "depth", label, siblings.take(np.flatnonzero(bucket == index))
    for index in range(10):
        yield "length", str(index + 1), siblings.take(np.flatnonzero(decile == index))
    for source in np.unique(siblings.source).tolist():
        yield "source", source, siblings.take(_where(siblings, source))
    yield "evidence", "dead", siblings.keeping(siblings.is_dead)
    yield "evidence", "unknown", siblings.keeping(~siblings.is_dead)


def _where(siblings: SiblingSet, source: str) -> NDArray[np.intp]:
    return np.flatnonzero(siblings.source == source)


def _pairwise(part: SiblingSet) -> Estimate:
    return sibling_pairwise(part.positive_energy, part.negative_energy, part.mask, part.theorem)
