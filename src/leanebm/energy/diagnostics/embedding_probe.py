"""Whether the vectors that the head is given mean anything. Shapes: ``N`` states, ``D`` width of a vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import attrs
import numpy as np
from numpy.typing import ArrayLike

from leanebm.energy.diagnostics.estimate import Estimate, Floats

__all__ = ["EmbeddingProbe"]

_MOST_ROWS = 2048
"""Directions are counted on a sample this large: the cost grows with its cube."""


@attrs.frozen(kw_only=True)
class EmbeddingProbe:
    """What is wrong, or right, with a table of embeddings. None of it looks at labels."""

    count: int
    """Vectors looked at."""

    width: int
    """``D``."""

    zero_rows: int
    """Vectors that are zero throughout: an encoder's failure passed on as an answer."""

    non_finite_rows: int
    """Vectors with an infinity or a ``nan`` in them."""

    duplicate_fraction: float
    """Share of vectors that equal an earlier one, although their texts differ."""

    effective_rank: float
    r"""How many directions are in use: :math:`\exp H` of the shares that directions have in the variance, from 1
    to ``D`` (Roy and Vetterli, 2007)."""

    participation_ratio: float
    r"""The same, less swayed by many faint directions: :math:`(\sum\lambda)^2 / \sum\lambda^2`."""

    norm_mean: float
    """Mean length of a vector."""

    norm_spread: float
    """Standard deviation of the lengths, divided by their mean."""

    reencoded: int = 0
    """How many states were encoded once more."""

    cosine_min: float | None = None
    """The lowest cosine between a vector and the same state's, encoded once more; ``None`` if it was not tried."""

    @classmethod
    def of(
        cls, embeddings: ArrayLike, *, before: ArrayLike | None = None, again: ArrayLike | None = None, seed: int = 0
    ) -> Self:
        """Probe a table of vectors, one a distinct text.

        Args:
            embeddings: ``[N, D]``.
            before: some states' vectors as the head was trained on them, ``[M, D]``.
            again: the same states' vectors from the encoder that serves the search, ``[M, D]``.
            seed: of the sample on which directions are counted.
        """
        table = np.asarray(embeddings)
        finite = np.isfinite(table).all(axis=1)
        rows = table[finite]
        norms = np.linalg.norm(rows.astype(np.float64), axis=1)
        mean = float(norms.mean()) if len(norms) else 0.0
        rank, ratio = _directions(rows, seed)
        cosines = _cosines(before, again)
        return cls(
            count=len(table),
            width=table.shape[1],
            zero_rows=int((norms == 0).sum()),
            non_finite_rows=int((~finite).sum()),
            duplicate_fraction=1.0 - len(np.unique(rows, axis=0)) / len(rows) if len(rows) else 0.0,
            effective_rank=rank,
            participation_ratio=ratio,
            norm_mean=mean,
            norm_spread=float(norms.std()) / mean if mean > 0 else 0.0,
            reencoded=len(cosines),
            cosine_min=float(cosines.min()) if len(cosines) else None,
        )

    def metrics(self) -> Mapping[str, Estimate]:
        """The figures under the names that reports and alarms know them by."""
        cosine = (
            {} if self.cosine_min is None else {"emb_cosine_probe": Estimate.plain(self.cosine_min, self.reencoded)}
        )
        return {
            "zero_emb": Estimate.plain(self.zero_rows, self.count),
            "non_finite_emb": Estimate.plain(self.non_finite_rows, self.count),
            "duplicate_emb": Estimate.plain(self.duplicate_fraction, self.count),
            "effective_rank": Estimate.plain(self.effective_rank, self.count),
            "participation_ratio": Estimate.plain(self.participation_ratio, self.count),
            "norm_spread": Estimate.plain(self.norm_spread, self.count),
            **cosine,
        }


def _directions(rows: Floats, seed: int) -> tuple[float, float]:
    """Effective rank and participation ratio of the centred rows; 0 if they are all the same."""
    if len(rows) > _MOST_ROWS:
        rows = rows[np.random.default_rng(seed).choice(len(rows), _MOST_ROWS, replace=False)]
    if len(rows) < 2:
        return 0.0, 0.0
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    gram = centred @ centred.T if len(centred) <= centred.shape[1] else centred.T @ centred
    variance = np.maximum(np.linalg.eigvalsh(gram), 0.0)
    if variance.sum() <= 0:
        return 0.0, 0.0
    share = variance[variance > 0] / variance.sum()
    return float(np.exp(-(share * np.log(share)).sum())), float(1.0 / (share**2).sum())


def _cosines(before: ArrayLike | None, again: ArrayLike | None) -> Floats:
    """Cosine of each pair of rows; 0 where one of them has no direction."""
    if before is None or again is None:
        return np.zeros(0)
    left, right = np.asarray(before, dtype=np.float64), np.asarray(again, dtype=np.float64)
    if left.shape != right.shape:
        raise ValueError(f"the two encodings differ in shape: {left.shape} before, {right.shape} again")
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    cosine = np.where(lengths > 0, (left * right).sum(axis=1) / np.where(lengths > 0, lengths, 1.0), 0.0)
    return np.nan_to_num(cosine)
