"""Live queues of finished searches: what stood open each time the search chose where to go next."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Self

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from leanebm._shown import fitting_repr
from leanebm.energy.checkpoint_header import Calibration
from leanebm.energy.diagnostics.estimate import Floats, theorem_means
from leanebm.energy.diagnostics.siblings import SiblingSet, floats, integers, names, truths


@attrs.frozen(kw_only=True, eq=False, slots=False)
class FrontierSet:
    """``S`` snapshots with ``N`` nodes in all, laid end to end: what stood open each time a search chose.

    Only a snapshot with a node on the path and another off it can be ranked; the rest still tell how far
    energies spread.
    """

    theorem: NDArray[np.str_] = attrs.field(converter=names)
    """``[S]``: the theorem each snapshot is of."""

    size: NDArray[np.int64] = attrs.field(converter=integers)
    """``[S]``: how many nodes each has, at least 1; they add up to ``N``."""

    energy: Floats = attrs.field(converter=floats)
    """``[N]``."""

    path_log_prob: Floats = attrs.field(converter=floats)
    """``[N]``: sums of natural log-probabilities from the root; ``nan`` if the policy's opinion is unknown."""

    depth: NDArray[np.int64] = attrs.field(converter=integers)
    """``[N]``: tactics from the root."""

    is_on_path: NDArray[np.bool_] = attrs.field(converter=truths)
    """``[N]``: whether the certified proof passes through the node."""

    shape: Floats = attrs.field(converter=floats)
    """``[N, 3]``: characters, goals and local names."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        count = int(self.size.sum())
        columns = (self.energy, self.path_log_prob, self.depth, self.is_on_path, self.shape)
        if len(self.theorem) != len(self.size) or any(len(column) != count for column in columns):
            raise ValueError(f"{len(self.size)} snapshots with {count} nodes in all, but a column has another length")
        if not np.isfinite(self.energy).all():
            raise ValueError("an energy is not finite; a head that cannot score a state must say so, not guess")

    @classmethod
    def from_siblings(cls, siblings: SiblingSet) -> Self:
        """Take each decision point for a queue of its own: the stand-in where no search has been recorded.

        A sibling's path differs from the others' by its last tactic only, so that tactic's log-probability
        stands for the whole path's.
        """
        exists = np.column_stack([np.ones(len(siblings), dtype=bool), siblings.mask])

        def laid_out(positive: NDArray[Any], negative: NDArray[Any]) -> NDArray[Any]:
            both: NDArray[Any] = np.concatenate([positive[:, None], negative], axis=1)[exists]
            return both

        return cls(
            theorem=siblings.theorem,
            size=exists.sum(axis=1),
            energy=laid_out(siblings.positive_energy, siblings.negative_energy),
            path_log_prob=laid_out(siblings.positive_log_prob, siblings.negative_log_prob),
            depth=np.broadcast_to(siblings.depth[:, None] + 1, exists.shape)[exists],
            is_on_path=laid_out(np.ones(len(siblings), dtype=bool), np.zeros_like(siblings.mask)),
            shape=laid_out(siblings.positive_shape, siblings.negative_shape),
        )

    def __len__(self) -> int:
        return len(self.size)

    @cached_property
    def snapshot(self) -> NDArray[np.intp]:
        """``[N]``: which snapshot each node stands in."""
        return np.repeat(np.arange(len(self)), self.size)

    @cached_property
    def node_theorem(self) -> NDArray[np.str_]:
        """``[N]``: the theorem each node belongs to."""
        return np.asarray(self.theorem[self.snapshot])

    def policy_term(self, alpha: float) -> Floats:
        """``Σ log p / L^α`` of each node, ``[N]``."""
        return np.asarray(self.path_log_prob / np.maximum(self.depth, 1) ** alpha)

    def in_units(self, units: Calibration) -> tuple[Floats, Floats]:
        """Energies and policy terms of the nodes, each in standard units, both ``[N]``."""
        energy = (self.energy - units.energy_mean) / units.energy_sd
        return np.asarray(energy), np.asarray(self.policy_term(units.alpha) / units.policy_sd)

    def path_accuracy(self, score: ArrayLike) -> Floats:
        r"""For each snapshot, the share of off-path nodes that the on-path node is ranked before, ``[S]``.

        :math:`P(\text{score}_{on} < \text{score}_{off}) + \tfrac12 P(=)` over the snapshot's pairs: the area under
        its ROC curve, with **lower scores first**. ``nan`` where there is nothing to compare, or a score is ``nan``.
        """
        values = np.asarray(score, dtype=np.float64)
        on, off = self._pairs
        won = (values[on] < values[off]) + 0.5 * (values[on] == values[off])
        won = np.where(np.isnan(values[on] + values[off]), np.nan, won)
        where = self.snapshot[on]
        pairs = np.bincount(where, minlength=len(self))
        total = np.bincount(where, weights=won, minlength=len(self))
        return np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)

    def spread(self, values: ArrayLike) -> float:
        """Typical standard deviation of ``values`` ``[N]`` within one queue, theorems counting alike.

        The root of the mean variance: how far theorems lie from each other does not matter, because nodes
        of different theorems never compete. ``nan`` if no snapshot has two nodes with a value.
        """
        flat = np.asarray(values, dtype=np.float64)
        known = np.isfinite(flat)
        where = self.snapshot[known]
        count = np.bincount(where, minlength=len(self))
        mean = np.bincount(where, weights=flat[known], minlength=len(self)) / np.maximum(count, 1)
        squares = np.bincount(where, weights=(flat[known] - mean[where]) ** 2, minlength=len(self))
        variance = np.where(count > 1, squares / np.maximum(count - 1, 1), np.nan)
        means = theorem_means(variance, self.theorem)
        return float(np.sqrt(means.mean())) if len(means) else float("nan")

    def mean(self, values: ArrayLike) -> float:
        """Mean of ``values`` ``[N]`` over nodes, theorems counting alike; ``nan`` without nodes."""
        means = theorem_means(values, self.node_theorem)
        return float(means.mean()) if len(means) else float("nan")

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Every (on-path node, off-path node of the same snapshot)."""
        start = np.concatenate([[0], np.cumsum(self.size)])[:-1]
        on = np.flatnonzero(self.is_on_path)
        where = self.snapshot[on]
        lengths = self.size[where]
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        left, right = np.repeat(on, lengths), np.repeat(start[where], lengths) + within
        differ = ~self.is_on_path[right]
        return left[differ], right[differ]
