"""Which states meet in a training step.

Shapes: ``B`` groups per step, ``K`` negatives per group, ``G`` groups in all.
"""

from __future__ import annotations

import attrs
import numpy as np
from attrs.validators import ge, instance_of, le
from numpy.typing import NDArray

from leanebm._shown import fitting_repr, named_repr
from leanebm.energy.training.contrastive_data import ContrastiveData, Indices

Mask = NDArray[np.bool_]
Rng = np.random.Generator


@attrs.frozen(kw_only=True)
class SamplerConfig:
    """How a step's groups and negatives are drawn."""

    batch_groups: int = attrs.field(default=64, validator=[instance_of(int), ge(1)])
    """Groups per step, at least 1."""

    num_negatives: int = attrs.field(default=7, validator=[instance_of(int), ge(1)])
    """Negatives per group, at least 1."""

    hard_fraction: float = attrs.field(default=0.7, validator=[ge(0.0), le(1.0)])
    """Share of negatives that are siblings of the positive, in [0, 1]."""

    medium_fraction: float = attrs.field(default=0.2, validator=[ge(0.0), le(1.0)])
    """Share of negatives from other decision points of the same theorem, in [0, 1]. What the two leave of the
    whole comes from other theorems."""

    def __attrs_post_init__(self) -> None:
        hard, medium = self.hard_fraction, self.medium_fraction
        if hard + medium > 1.0 + 1e-9:
            raise ValueError(f"hard_fraction {hard} and medium_fraction {medium} are more than the whole")


@attrs.frozen(kw_only=True, eq=False)
class GroupBatch:
    """What one step looks at; states are rows of :attr:`ContrastiveData.states`."""

    group: Indices
    """Which groups, ``[B]``; one may occur twice."""

    positive: Indices
    """``[B]``."""

    negative: Indices
    """``[B, K]``; arbitrary where ``mask`` is false."""

    mask: Mask
    """Which negatives there are, ``[B, K]``."""

    weight: NDArray[np.float32]
    """How much each of them counts, ``[B, K]``."""

    is_sibling: Mask
    """Which of them are siblings of the positive, ``[B, K]``."""

    remaining_depth: Indices
    """Of the positives, ``[B]``."""

    along_path: Indices
    """Another state on the path of the same theorem, ``[B]``; arbitrary where ``has_path`` is false."""

    along_path_remaining: Indices
    """Its remaining depth, ``[B]``; never that of the positive where ``has_path`` is true."""

    has_path: Mask
    """Whether there is such a state, ``[B]``."""

    __repr__ = fitting_repr

    @property
    def rows(self) -> Indices:
        """All states: positives, then negatives, then those along the path, ``[B + B·K + B]``."""
        return np.concatenate([self.positive, self.negative.ravel(), self.along_path])

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many of :attr:`rows` are positives, negatives, and along the path."""
        return self.positive.size, self.negative.size, self.along_path.size


class GroupSampler:
    """Draws batches; step ``s`` draws the same whenever, and in whichever process, it is asked for.

    Theorems are drawn evenly and then their groups, so that a long proof counts no more than a short one. Siblings
    are drawn without repetition; where there are too few, their places go to other decision points of the theorem,
    and from there to other theorems. A place that nothing fits is masked out.

    Args:
        data: what to draw from.
        config: how.
        seed: of every choice.
    """

    def __init__(self, data: ContrastiveData, config: SamplerConfig, *, seed: int) -> None:
        self._data = data
        self._config = config
        self._seed = seed
        self._tier_bounds = np.cumsum([config.hard_fraction, config.medium_fraction])

    __repr__ = named_repr("_config")

    def batch(self, step: int) -> GroupBatch:
        """The batch of step ``step``."""
        data = self._data
        rng = np.random.default_rng((self._seed, step))
        group = self._draw_groups(rng)
        place, is_sibling, mask = self._draw_negatives(rng, group)
        negative = data.negative[place] if len(data.negative) else np.zeros_like(place)
        weight = data.negative_weight[place] if len(data.negative) else np.zeros(place.shape, dtype=np.float32)
        along, along_remaining, has_path = self._draw_along_path(rng, group)
        return GroupBatch(
            group=group,
            positive=data.positive[group],
            negative=negative,
            # Another theorem may have left aside the very state that leads on here.
            mask=mask & (negative != data.positive[group][:, None]),
            weight=weight,
            is_sibling=is_sibling,
            remaining_depth=data.remaining_depth[group],
            along_path=along,
            along_path_remaining=along_remaining,
            has_path=has_path,
        )

    def _draw_groups(self, rng: Rng) -> Indices:
        start = self._data.theorem_start
        theorem = rng.integers(len(start) - 1, size=self._config.batch_groups)
        return _draw_between(rng, start[theorem], start[theorem + 1])

    def _draw_negatives(self, rng: Rng, group: Indices) -> tuple[Indices, Mask, Mask]:
        """Places in ``data.negative``, whether each is a sibling, and whether it is there; all ``[B, K]``."""
        data = self._data
        shape = (len(group), self._config.num_negatives)
        tier = np.sort(np.searchsorted(self._tier_bounds, rng.random(shape), side="right"), axis=1)
        own, own_end = data.negative_start[group][:, None], data.negative_start[group + 1][:, None]
        theorem = data.theorem[group]
        first = data.negative_start[data.theorem_start[theorem]][:, None]
        last = data.negative_start[data.theorem_start[theorem + 1]][:, None]
        sibling = own + self._draw_sibling_order(rng, own_end - own)
        medium, has_medium = _draw_outside(rng, first, last, own, own_end, shape)
        easy, has_easy = _draw_outside(rng, np.zeros_like(first), len(data.negative), first, last, shape)
        is_sibling = (tier == 0) & (sibling < own_end)
        is_medium = ~is_sibling & (tier <= 1) & has_medium
        place = np.where(is_sibling, sibling, np.where(is_medium, medium, easy))
        mask = is_sibling | is_medium | has_easy
        return np.where(mask, place, 0), is_sibling, mask

    def _draw_sibling_order(self, rng: Rng, count: Indices) -> Indices:
        """Each row the first ``K`` of ``0 … count - 1`` in random order, then numbers from ``count`` on."""
        width = max(self._config.num_negatives, int(count.max()))
        keys = rng.random((len(count), width))
        keys[np.arange(width) >= count] = 2.0  # behind all that exist
        return np.argsort(keys, axis=1)[:, : self._config.num_negatives]

    def _draw_along_path(self, rng: Rng, group: Indices) -> tuple[Indices, Indices, Mask]:
        paths, theorem = self._data.paths, self._data.theorem[group]
        place = _draw_between(rng, paths.start[theorem], paths.start[theorem + 1])
        remaining = paths.remaining_depth[place]
        return paths.state[place], remaining, remaining != self._data.remaining_depth[group]


def _draw_between(rng: Rng, low: Indices, high: Indices) -> Indices:
    """One number from each of the ranges ``low … high - 1``, none of them empty."""
    return low + (rng.random(low.shape) * (high - low)).astype(np.int64)


def _draw_outside(
    rng: Rng, low: Indices, high: Indices | int, hole: Indices, hole_end: Indices, shape: tuple[int, int]
) -> tuple[Indices, Mask]:
    """Numbers from ``low … high - 1`` but outside the hole within it, and whether there are any."""
    count = np.broadcast_to((high - low) - (hole_end - hole), shape)
    drawn = low + (rng.random(shape) * count).astype(np.int64)
    return np.where(drawn >= hole, drawn + (hole_end - hole), drawn), count > 0
