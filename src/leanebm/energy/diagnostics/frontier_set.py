"""Live queues of finished searches: what stood open each time the search chose where to go next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Self

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from leanebm._shown import fitting_repr
from leanebm.energy.diagnostics._columns import floats, integers, names, truths
from leanebm.energy.diagnostics._statistics import theorem_folds
from leanebm.energy.diagnostics.estimate import Floats, theorem_means
from leanebm.energy.diagnostics.sibling_set import SiblingSet
from leanebm.energy.diagnostics.state_shape import StateShape

__all__ = ["FrontierNode", "FrontierSet", "FrontierSnapshot"]


@attrs.frozen(kw_only=True)
class FrontierNode:
    """An open node of a search."""

    energy: float
    path_log_prob: float
    """Sum of the natural log-probabilities from the root; ``nan`` if the policy's opinion is unknown."""

    depth: int
    """Tactics from the root."""

    is_on_path: bool
    """Whether the certified proof passes through it."""

    text: str = ""
    """The state as Lean prints it; without it, nothing can be said about rank by length."""

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class FrontierSnapshot:
    """All nodes that stood open at one pop of a search that ended in a certified proof."""

    theorem: str
    nodes: Sequence[FrontierNode]

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True, eq=False, slots=False)
class FrontierSet:
    """``S`` snapshots of together ``N`` nodes, laid end to end.

    Only a snapshot with a node on the path and another off it can be ranked; the rest still tell how far
    energies spread.
    """

    theorem: NDArray[np.str_] = attrs.field(converter=names)
    """``[S]``: the theorem each snapshot is of."""

    size: NDArray[np.int64] = attrs.field(converter=integers)
    """``[S]``: how many nodes it has; they add up to ``N``."""

    energy: Floats = attrs.field(converter=floats)
    """``[N]``."""

    path_log_prob: Floats = attrs.field(converter=floats)
    """``[N]``."""

    depth: NDArray[np.int64] = attrs.field(converter=integers)
    """``[N]``."""

    is_on_path: NDArray[np.bool_] = attrs.field(converter=truths)
    """``[N]``."""

    shape: Floats = attrs.field(converter=floats)
    """``[N, 3]``: characters, goals and hypotheses; ``nan`` where the text is unknown."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        count = int(self.size.sum())
        columns = (self.energy, self.path_log_prob, self.depth, self.is_on_path, self.shape)
        if len(self.theorem) != len(self.size) or any(len(column) != count for column in columns):
            raise ValueError(f"{len(self.size)} snapshots of together {count} nodes, but a column is of another length")
        if not np.isfinite(self.energy).all():
            raise ValueError("an energy is not finite; a head that cannot score a state must say so, not guess")

    @classmethod
    def from_snapshots(cls, snapshots: Iterable[FrontierSnapshot]) -> Self:
        """Lay out ``snapshots``, in their order; empty ones are left out."""
        kept = tuple(snapshot for snapshot in snapshots if snapshot.nodes)
        nodes = [node for snapshot in kept for node in snapshot.nodes]
        unknown = (np.nan, np.nan, np.nan)
        return cls(
            theorem=[snapshot.theorem for snapshot in kept],
            size=[len(snapshot.nodes) for snapshot in kept],
            energy=[node.energy for node in nodes],
            path_log_prob=[node.path_log_prob for node in nodes],
            depth=[node.depth for node in nodes],
            is_on_path=[node.is_on_path for node in nodes],
            shape=np.reshape(
                [StateShape.of(node.text).features if node.text else unknown for node in nodes], (len(nodes), 3)
            ),
        )

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

    @cached_property
    def node_weight(self) -> Floats:
        """``[N]``: what makes each theorem count alike; sums to 1."""
        names, index = np.unique(self.theorem, return_inverse=True)
        nodes = np.bincount(index, weights=self.size)
        return np.asarray(1.0 / (len(names) * nodes[index])[self.snapshot])

    @cached_property
    def node_fold(self) -> NDArray[np.intp]:
        """``[N]``: which part of the theorems each node's belongs to, where a fit is tried on others than its own."""
        return np.asarray(theorem_folds(self.theorem)[self.snapshot])

    def policy_term(self, alpha: float) -> Floats:
        """``Σ log p / L^α`` of each node, ``[N]``."""
        return np.asarray(self.path_log_prob / np.maximum(self.depth, 1) ** alpha)

    def path_accuracy(self, score: ArrayLike) -> Floats:
        r"""Per snapshot, the share of off-path nodes that the on-path node is ranked before, ``[S]``.

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
        known = np.isfinite(np.asarray(values, dtype=np.float64))
        total = self.node_weight[known].sum()
        return float(np.asarray(values)[known] @ self.node_weight[known] / total) if total > 0 else float("nan")

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
