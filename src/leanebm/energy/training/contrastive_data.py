"""Contrastive groups as index arrays over one matrix of embeddings: what a training step gathers from.

Shapes: ``N`` states, ``D`` width, ``G`` groups, ``M`` negatives of all groups, ``T`` theorems, ``P`` states
on the path of some theorem. Ragged lists are stored end to end; those of item ``i`` are
``values[start[i] : start[i + 1]]``.

Groups come from several rounds, from replays and from searches, so the same decision point may occur
more than once, and a state that one proof leaves aside may be a step of another proof of the same theorem.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final, Self

import attrs
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from leanebm._shown import fitting_repr, shown
from leanebm.core import ContrastiveGroup, Evidence, NegativeState
from leanebm.errors import EnergyError

MAX_SHARED_FRACTION: Final = 0.1
"""Different states may share a vector now and then, when their difference was cut off; this many may not."""


def embedding_matrix(
    texts: Sequence[str], embeddings: Mapping[str, ArrayLike], *, max_shared: float = MAX_SHARED_FRACTION
) -> NDArray[np.float32]:
    """The vectors of ``texts``, one per row, ``[N, D]``; a share ``max_shared`` of them may equal another's.

    Raises:
        EnergyError: vectors are missing, of different widths, all zero, not finite, or shared by so many
            states that the encoder cannot have read them. All that is wrong is listed.
    """
    missing = [text for text in texts if text not in embeddings]
    if missing:
        raise EnergyError(
            f"{len(missing)} of {len(texts)} states have no embedding, such as {shown(missing[0])}. "
            "Encode every text that `state_texts(groups)` names."
        )
    width = np.asarray(embeddings[texts[0]]).size
    matrix = np.empty((len(texts), width), dtype=np.float32)
    for row, text in zip(matrix, texts, strict=True):
        vector = np.asarray(embeddings[text], dtype=np.float32)
        if vector.shape != (width,):
            raise EnergyError(
                f"embeddings must be vectors of one width: {shown(texts[0])} has {width} numbers, "
                f"{shown(text)} has shape {list(vector.shape)}. Encode all states with one encoder."
            )
        row[:] = vector
    problems = list(_problems(texts, matrix, max_shared))
    if problems:
        raise EnergyError("the embeddings are damaged; the encoder is at fault:\n" + "\n".join(problems))
    return matrix


def _problems(texts: Sequence[str], matrix: NDArray[np.float32], max_shared: float) -> Iterator[str]:
    is_finite = np.isfinite(matrix).all(axis=1)
    is_zero = ~matrix.any(axis=1)
    for fault, rows in (("are not finite", ~is_finite), ("are all zero", is_zero)):
        if rows.any():
            example = shown(texts[int(rows.argmax())])
            yield f"  - {int(rows.sum())} of {len(texts)} {fault}, such as that of {example}"
    same = _first_with_same_vector(matrix)
    usable = set(np.flatnonzero(is_finite & ~is_zero).tolist())
    shared = [row for row, first in enumerate(same) if first != row and row in usable]
    if len(shared) > max_shared * len(texts):
        one, other = shown(texts[same[shared[0]]]), shown(texts[shared[0]])
        yield (
            f"  - {len(shared)} of {len(texts)} states have the same vector as another state, such as {one} and "
            f"{other}; at most {max_shared:.0%} may. If such states differ late in their text, it is cut off "
            "before: raise the encoder's length limit (max_state_chars of its settings, or the server's own). If they "
            "differ early, the encoder does not read the difference: use another encoder"
        )


def _first_with_same_vector(matrix: NDArray[np.float32]) -> list[int]:
    """For each row the first one that equals it, bit by bit."""
    first: dict[bytes, int] = {}
    return [first.setdefault(row.tobytes(), index) for index, row in enumerate(matrix)]


Indices = NDArray[np.int64]


@attrs.frozen(kw_only=True, eq=False)
class TheoremPaths:
    """States on the path of each of ``T`` theorems, ``P`` in all, each once per theorem, the nearest to the end first.

    A theorem with several proofs has the states of all, each at its smallest remaining depth.
    """

    state: Indices
    """``[P]``, ordered by theorem, then by remaining depth."""

    remaining_depth: Indices
    """Tactics to the end of the proof, ``[P]``."""

    start: Indices
    """Where a theorem's states begin, ``[T + 1]``."""

    __repr__ = fitting_repr

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


@attrs.frozen(kw_only=True)
class TidyGroups:
    """Groups without contradictions, and how much had to be settled."""

    groups: tuple[ContrastiveGroup, ...]
    """One for each step of each theorem, in the order in which they were first met."""

    merged: int
    """Groups of a step that another group had covered before."""

    dual_labels: int
    """Negatives dropped because some proof of the same theorem goes through them."""

    __repr__ = fitting_repr


def tidy_groups(groups: Iterable[ContrastiveGroup]) -> TidyGroups:
    """Merge groups that speak of the same step, and drop negatives that are on the path after all.

    What makes two states equal is their key. A merged group has the negatives of all, the smallest
    remaining depth, and calls a negative dead only if all call it so: *positive* outweighs *unknown*,
    and *unknown* outweighs *dead*.
    """
    by_step: dict[tuple[str, str, str], list[ContrastiveGroup]] = {}
    on_path: dict[str, set[str]] = {}
    for group in groups:
        by_step.setdefault((group.theorem, group.parent_key, group.positive_key), []).append(group)
        on_path.setdefault(group.theorem, set()).update((group.parent_key, group.positive_key))
    merged = [_merge(same) for same in by_step.values()]
    tidy = tuple(_without(group, on_path[group.theorem]) for group in merged)
    return TidyGroups(
        groups=tidy,
        merged=sum(len(same) - 1 for same in by_step.values()),
        dual_labels=_count_negatives(merged) - _count_negatives(tidy),
    )


def _merge(same: Sequence[ContrastiveGroup]) -> ContrastiveGroup:
    negatives: dict[str, NegativeState] = {}
    for negative in (negative for group in same for negative in group.negatives):
        known = negatives.setdefault(negative.key, negative)
        if negative.evidence is Evidence.UNKNOWN and known.evidence is Evidence.DEAD:
            negatives[negative.key] = attrs.evolve(known, evidence=Evidence.UNKNOWN)
    return attrs.evolve(
        same[0],
        negatives=tuple(negatives.values()),
        depth=min(group.depth for group in same),
        remaining_depth=min(group.remaining_depth for group in same),
    )


def _without(group: ContrastiveGroup, keys: set[str]) -> ContrastiveGroup:
    return attrs.evolve(group, negatives=tuple(one for one in group.negatives if one.key not in keys))


def _count_negatives(groups: Iterable[ContrastiveGroup]) -> int:
    return sum(len(group.negatives) for group in groups)


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

    __repr__ = fitting_repr

    @classmethod
    def from_groups(
        cls,
        groups: Iterable[ContrastiveGroup],
        embeddings: Mapping[str, ArrayLike],
        *,
        max_shared: float = MAX_SHARED_FRACTION,
    ) -> Self:
        """Index ``groups``, made tidy first, over the matrix of their embeddings.

        Args:
            groups: at least one. One without negatives still teaches depth.
            embeddings: vectors by text, at least of :func:`state_texts` of ``groups``.
            max_shared: the share of states, in [0, 1], that may have the same vector as another one.

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
            states=torch.from_numpy(embedding_matrix(texts, embeddings, max_shared=max_shared)),
            theorems=tuple(str(name) for name in theorems),
            theorem=theorem.astype(np.int64),
            parent=parent,
            positive=positive,
            depth=_integers(group.depth for group in ordered),
            remaining_depth=remaining,
            negative=_integers(row[negative.text] for negative in negatives),
            negative_weight=np.array([EVIDENCE_WEIGHTS[one.evidence] for one in negatives], dtype=np.float32),
            negative_start=np.cumsum([0, *(len(group.negatives) for group in ordered)], dtype=np.int64),
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
