"""Whether a model's embeddings still tell states apart after it was fine-tuned.

Training on tactics alone may draw the embeddings of all states together, and an energy head that reads them then sees
nothing. The loss on tactics does not show it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from leanebm._shown import fitting_repr

_Table = NDArray[np.floating[Any]]

_FOLDS: Final = 5

_LEAST_THEOREMS: Final = 4
"""With fewer that have states of both kinds, where a line separates says nothing."""

_KEPT: Final = 0.5
"""Share of its spread, and of its directions, that a table of embeddings must keep."""

_LOST: Final = 0.05
"""How much of the separability may be lost: the ancestor's head was useless at a loss of three times that."""


@attrs.frozen(kw_only=True)
class LabelledStates:
    """States on certified proofs, and states beside them, as a table of embeddings."""

    embeddings: _Table = attrs.field(eq=False)
    """``[N, D]``."""

    is_on_path: NDArray[np.bool_] = attrs.field(eq=False)
    """``[N]``."""

    theorem: Sequence[str]
    """``[N]``; which theorem each is from."""


@attrs.frozen(kw_only=True)
class EmbeddingFigures:
    """What a table of embeddings looks like."""

    states: int
    mean_cosine: float
    """Of two different states, on average: 1 if all point the same way."""

    effective_rank: float
    r"""How many directions are in use: :math:`\exp H` of their shares in the variance, from 0 to ``D``."""

    separability: float | None
    """How well a linear probe tells states on a proof from those beside it, on theorems that it did not see: the
    share of such pairs that it puts in the right order, 0.5 by chance. ``None`` without enough proofs to tell."""

    __repr__ = fitting_repr


def measure_embeddings(embeddings: _Table, labelled: LabelledStates | None = None) -> EmbeddingFigures:
    """What a table of embeddings looks like.

    Args:
        embeddings: of distinct states, ``[N, D]``, finite, ``N`` at least 2.
        labelled: for ``separability``.
    """
    table = np.asarray(embeddings, dtype=np.float64)
    return EmbeddingFigures(
        states=len(table),
        mean_cosine=_mean_cosine(table),
        effective_rank=_effective_rank(table),
        separability=None if labelled is None else _separability(labelled),
    )


def collapse_alarms(before: EmbeddingFigures, after: EmbeddingFigures) -> tuple[str, ...]:
    """One sentence for each sign that fine-tuning drew the embeddings together; none if there is no sign."""
    return tuple(_signs(before, after))


def _signs(before: EmbeddingFigures, after: EmbeddingFigures) -> Iterator[str]:
    remedy = "train an energy head on the base model's embeddings, or fine-tune less: fewer steps, a lower rate or rank"
    if 1.0 - after.mean_cosine < _KEPT * (1.0 - before.mean_cosine):
        yield (
            f"the mean cosine of two states' embeddings rose from {before.mean_cosine:.3f} to {after.mean_cosine:.3f}: "
            f"less than half of their spread is left; {remedy}"
        )
    if after.effective_rank < _KEPT * before.effective_rank:
        yield (
            f"the embeddings' effective rank fell from {before.effective_rank:.1f} to {after.effective_rank:.1f}: "
            f"less than half of the directions are left; {remedy}"
        )
    if None not in (before.separability, after.separability):
        was, now = float(before.separability or 0.0), float(after.separability or 0.0)
        if now < was - _LOST:
            yield f"a linear probe tells states on a proof from others worse: {was:.3f} before, {now:.3f} now; {remedy}"


def _mean_cosine(table: _Table) -> float:
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    total = unit.sum(axis=0)
    own = float((unit * unit).sum())
    return float(total @ total - own) / (len(unit) * (len(unit) - 1))


def _effective_rank(table: _Table) -> float:
    centred = table - table.mean(axis=0)
    variance = np.linalg.svd(centred, compute_uv=False) ** 2
    if variance.sum() <= 1e-12 * float((table**2).sum()):
        return 0.0
    share = variance[variance > 0] / variance.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def _separability(labelled: LabelledStates) -> float | None:
    """Over folds of theorems: the share of pairs in the right order, weighted by the number of pairs."""
    kinds = set(zip(labelled.theorem, labelled.is_on_path.tolist(), strict=True))
    names = sorted(name for name, is_on_path in kinds if is_on_path and (name, False) in kinds)
    if len(names) < _LEAST_THEOREMS:
        return None
    fold = {name: number % _FOLDS for number, name in enumerate(names)}
    folds = np.array([fold.get(name, -1) for name in labelled.theorem])  # those of one kind are only learnt from
    right = pairs = 0.0
    for number in range(_FOLDS):
        held = folds == number
        scores = _ridge(labelled.embeddings[~held], labelled.is_on_path[~held], labelled.embeddings[held])
        on, off = scores[labelled.is_on_path[held]], scores[~labelled.is_on_path[held]]
        gaps = on[:, None] - off[None, :]
        right += float((gaps > 0).sum() + 0.5 * (gaps == 0).sum())
        pairs += gaps.size
    return right / pairs if pairs else None


def _ridge(seen: _Table, is_on_path: NDArray[np.bool_], unseen: _Table) -> _Table:
    """What a linear probe, fitted on one table, says of another; penalised as strongly as its inputs are many."""
    seen, unseen = np.asarray(seen, dtype=np.float64), np.asarray(unseen, dtype=np.float64)
    mean, deviation = seen.mean(axis=0), np.maximum(seen.std(axis=0), 1e-9)
    known, asked = (seen - mean) / deviation, (unseen - mean) / deviation
    wanted = is_on_path - is_on_path.mean()
    weights = np.linalg.solve(known @ known.T + math.prod(known.shape[1:]) * np.eye(len(known)), wanted)
    answers: _Table = asked @ (known.T @ weights)
    return answers
