"""Decision points of held-out proofs, with what a head said of the states that follow them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from leanebm._shown import fitting_repr
from leanebm.core import ContrastiveGroup, Evidence
from leanebm.core.state_counts import state_shape
from leanebm.energy.diagnostics.estimate import Floats
from leanebm.errors import EnergyError


def floats(values: ArrayLike) -> Floats:
    """A column of numbers."""
    return np.asarray(values, dtype=np.float64)


def integers(values: ArrayLike) -> NDArray[np.int64]:
    """A column of whole numbers."""
    return np.asarray(values, dtype=np.int64)


def truths(values: ArrayLike) -> NDArray[np.bool_]:
    """A column of truth values."""
    return np.asarray(values, dtype=np.bool_)


def names(values: ArrayLike) -> NDArray[np.str_]:
    """A column of texts."""
    return np.asarray(values, dtype=np.str_)


@attrs.frozen(kw_only=True, eq=False)
class SiblingSet:
    """``G`` groups of a positive and up to ``K`` negatives, as columns. Energies: lower is more provable.

    ``F`` is 3: characters, goals and local names.

    Raises:
        ValueError: the columns' shapes do not agree, or an energy that exists is not finite.
    """

    positive_energy: Floats = attrs.field(converter=floats)
    """``[G]``."""

    negative_energy: Floats = attrs.field(converter=floats)
    """``[G, K]``; anything where ``mask`` is false."""

    mask: NDArray[np.bool_] = attrs.field(converter=truths)
    """``[G, K]``: which negatives exist."""

    positive_log_prob: Floats = attrs.field(converter=floats)
    """``[G]``: of the last tactic under the policy; ``nan`` if the policy did not propose it."""

    negative_log_prob: Floats = attrs.field(converter=floats)
    """``[G, K]``."""

    is_dead: NDArray[np.bool_] = attrs.field(converter=truths)
    """``[G, K]``: whether the negative is known to be unprovable by what was tried."""

    positive_shape: Floats = attrs.field(converter=floats)
    """``[G, F]``."""

    negative_shape: Floats = attrs.field(converter=floats)
    """``[G, K, F]``."""

    depth: NDArray[np.int64] = attrs.field(converter=integers)
    """``[G]``: tactics from the root to the parent."""

    remaining: NDArray[np.int64] = attrs.field(converter=integers)
    """``[G]``: tactics from the positive to the end of the proof."""

    theorem: NDArray[np.str_] = attrs.field(converter=names)
    """``[G]``: the theorem's name."""

    source: NDArray[np.str_] = attrs.field(converter=names)
    """``[G]``: ``replay`` or ``search``."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        groups, width = self.mask.shape if self.mask.ndim == 2 else (-1, -1)
        letters = {"G": groups, "K": width, "F": 3}
        problems = [
            f"{name} is {getattr(self, name).shape}"
            for name, axes in _AXES.items()
            if getattr(self, name).shape != tuple(letters[axis] for axis in axes)
        ]
        if problems:
            raise ValueError(f"with {groups} groups of up to {width} negatives, " + ", ".join(problems))
        if not (np.isfinite(self.positive_energy).all() and np.isfinite(self.negative_energy[self.mask]).all()):
            raise ValueError("an energy is not finite; a head that cannot score a state must say so, not guess")

    @classmethod
    def from_groups(cls, groups: Sequence[ContrastiveGroup], energy: Mapping[str, float]) -> Self:
        """Lay out ``groups`` with the energies of their states' texts.

        Raises:
            EnergyError: a state has no energy, or one that is not finite. None is ever made up.
        """
        texts = {text for group in groups for text in (group.positive_text, *(n.text for n in group.negatives))}
        unknown = [text for text in texts if not np.isfinite(energy.get(text, np.nan))]
        if unknown:
            raise EnergyError(
                f"{len(unknown)} of {len(texts)} states have no finite energy, such as {min(unknown)[:80]!r}; "
                "score every state of the groups before diagnosing a head on them"
            )
        width = max((len(group.negatives) for group in groups), default=0)

        def negatives(read: Callable[[Any], Any], filler: Any) -> list[list[Any]]:
            return [[read(n) for n in g.negatives] + [filler] * (width - len(g.negatives)) for g in groups]

        size = (len(groups), width)
        return cls(
            positive_energy=[energy[g.positive_text] for g in groups],
            negative_energy=np.reshape(negatives(lambda n: energy[n.text], np.nan), size),
            mask=np.reshape(negatives(lambda _: True, False), size),
            positive_log_prob=[np.nan if g.positive_log_prob is None else g.positive_log_prob for g in groups],
            negative_log_prob=np.reshape(negatives(lambda n: n.log_prob, np.nan), size),
            is_dead=np.reshape(negatives(lambda n: n.evidence is Evidence.DEAD, False), size),
            positive_shape=np.reshape([state_shape(g.positive_text) for g in groups], (len(groups), 3)),
            negative_shape=np.reshape(negatives(lambda n: state_shape(n.text), (np.nan,) * 3), (*size, 3)),
            depth=[g.depth for g in groups],
            remaining=[g.remaining_depth for g in groups],
            theorem=[g.theorem for g in groups],
            source=[g.source for g in groups],
        )

    def __len__(self) -> int:
        return len(self.positive_energy)

    def take(self, groups: NDArray[Any]) -> Self:
        """The groups chosen by a mask or by indices."""
        return attrs.evolve(self, **{name: getattr(self, name)[groups] for name in _AXES})

    def keeping(self, negatives: NDArray[np.bool_]) -> Self:
        """The same groups with only those negatives for which ``negatives`` ``[G, K]`` is true."""
        return attrs.evolve(self, mask=self.mask & negatives)


_AXES: Final = {
    "positive_energy": "G",
    "negative_energy": "GK",
    "mask": "GK",
    "positive_log_prob": "G",
    "negative_log_prob": "GK",
    "is_dead": "GK",
    "positive_shape": "GF",
    "negative_shape": "GKF",
    "depth": "G",
    "remaining": "G",
    "theorem": "G",
    "source": "G",
}
