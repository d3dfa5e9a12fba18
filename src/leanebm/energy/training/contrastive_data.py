"""Contrastive groups as index arrays over one matrix of embeddings: what a training step gathers from.

Shapes: ``N`` states, ``D`` width, ``G`` groups, ``M`` negatives of all groups, ``T`` theorems, ``P`` states
on the path of some theorem. Ragged lists are stored end to end; those of item ``i`` are
``values[start[i] : start[i + 1]]``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Self

import attrs
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from leanebm.core import ContrastiveGroup, Evidence
from leanebm.energy.training._embedding_matrix import embedding_matrix
from leanebm.energy.training.paths import TheoremPaths
from leanebm.energy.training.tidy import tidy_groups
from leanebm.errors import EnergyError

__all__ = ["EVIDENCE_WEIGHTS", "ContrastiveData", "state_texts"]

Indices = NDArray[np.int64]

EVIDENCE_WEIGHTS: Mapping[Evidence, float] = {Evidence.DEAD: 1.0, Evidence.UNKNOWN: 0.5}
"""How much a negative counts in the loss, by how sure it is that it is one."""


def state_texts(groups: Iterable[ContrastiveGroup]) -> tuple[str, ...]:
    """Every state that training on ``groups`` needs an embedding of, each once, in the order of first sight."""
    return tuple(dict.fromkeys(text for group in groups for text in _texts(group)))


@attrs.frozen(kw_only=True, eq=False)
class ContrastiveData:
    """Decision points to learn from, or to be judged on. Groups of one theorem stand side by side."""

    texts: tuple[str, ...]
    """The states, each once, ``N`` of them."""

    states: torch.Tensor
    """Their embeddings ``[N, D]``, float32."""

    theorems: tuple[str, ...]
    """Names, ``T`` of them."""

    theorem: Indices
    """Which theorem a group belongs to, ``[G]``, ascending."""

    parent: Indices
    """State at which the steps part, ``[G]``."""

    positive: Indices
    """State on the path, ``[G]``."""

    depth: Indices
    """Tactics from the root to the parent, ``[G]``."""

    remaining_depth: Indices
    """Tactics from the positive to the end of the proof, ``[G]``, at least 1."""

    negative: Indices
    """Siblings off the path, ``[M]``, ordered by group."""

    negative_weight: NDArray[np.float32]
    """How much each of them counts, ``[M]``."""

    negative_start: Indices
    """Where the siblings of a group begin, ``[G + 1]``."""

    paths: TheoremPaths
    """The states on the path of each theorem."""

    @classmethod
    def from_groups(
        cls,
        groups: Iterable[ContrastiveGroup],
        embeddings: Mapping[str, ArrayLike],
        *,
        evidence_weights: Mapping[Evidence, float] = EVIDENCE_WEIGHTS,
    ) -> Self:
        """Index ``groups``, made tidy first, over the matrix of their embeddings.

        Args:
            groups: at least one. One without negatives still teaches depth.
            embeddings: vectors by text, at least of :func:`state_texts` of ``groups``.
            evidence_weights: how much a negative counts in the loss.

        Raises:
            EnergyError: there are no groups, or the embeddings cannot be used.
        """
        ordered = sorted(tidy_groups(groups).groups, key=_order)
        if not ordered:
            raise EnergyError("there are no contrastive groups, so there is nothing to learn from or to measure on")
        texts = state_texts(ordered)
        row = {text: index for index, text in enumerate(texts)}
        theorems, theorem = np.unique([group.theorem for group in ordered], return_inverse=True)
        parent = _integers(row[group.parent_text] for group in ordered)
        positive = _integers(row[group.positive_text] for group in ordered)
        remaining = _integers(group.remaining_depth for group in ordered)
        negatives = [negative for group in ordered for negative in group.negatives]
        return cls(
            texts=texts,
            states=torch.from_numpy(embedding_matrix(texts, embeddings)),
            theorems=tuple(str(name) for name in theorems),
            theorem=theorem.astype(np.int64),
            parent=parent,
            positive=positive,
            depth=_integers(group.depth for group in ordered),
            remaining_depth=remaining,
            negative=_integers(row[negative.text] for negative in negatives),
            negative_weight=np.array([evidence_weights[one.evidence] for one in negatives], dtype=np.float32),
            negative_start=_starts([len(group.negatives) for group in ordered]),
            paths=TheoremPaths.of(
                theorem=np.concatenate([theorem, theorem]),
                state=np.concatenate([positive, parent]),
                remaining_depth=np.concatenate([remaining, remaining + 1]),
                num_theorems=len(theorems),
            ),
        )

    def __len__(self) -> int:
        """``G``."""
        return len(self.positive)

    @property
    def width(self) -> int:
        """``D``."""
        return self.states.shape[1]

    def to(self, device: str | torch.device) -> Self:
        """The same data with its embeddings on ``device``."""
        return attrs.evolve(self, states=self.states.to(device))

    @cached_property
    def theorem_start(self) -> Indices:
        """Where the groups of a theorem begin, ``[T + 1]``."""
        return np.searchsorted(self.theorem, np.arange(len(self.theorems) + 1))

    @cached_property
    def siblings(self) -> tuple[Indices, NDArray[np.bool_]]:
        """The negatives of each group in a row, padded, and which of them exist; both ``[G, longest]``."""
        counts = np.diff(self.negative_start)
        column = np.arange(max(1, int(counts.max())))
        mask = column < counts[:, None]
        padded = np.zeros(mask.shape, dtype=np.int64)
        padded[mask] = self.negative
        return padded, mask

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that differ where any number or name differs."""
        digest = hashlib.sha256("\0".join((*self.texts, "", *self.theorems)).encode())
        arrays = (self.theorem, self.parent, self.positive, self.depth, self.remaining_depth)
        for array in (self.states.cpu().numpy(), *arrays, self.negative, self.negative_weight, self.negative_start):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]


def _order(group: ContrastiveGroup) -> tuple[str, int, str, str]:
    """The same whatever order groups were found in, which varies where many theorems are searched at once."""
    return group.theorem, group.depth, group.parent_key, group.positive_key


def _texts(group: ContrastiveGroup) -> Iterator[str]:
    yield group.parent_text
    yield group.positive_text
    yield from (negative.text for negative in group.negatives)


def _integers(values: Iterable[int]) -> Indices:
    return np.fromiter(values, dtype=np.int64)


def _starts(counts: Sequence[int]) -> Indices:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
