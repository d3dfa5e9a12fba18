"""Whether the vectors that the head is given mean anything. None of it looks at labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from leanebm.energy.diagnostics.estimate import Estimate, Floats

_MOST_ROWS = 2048
"""Directions are counted on a sample this large: the cost grows with its cube."""


def probe_embeddings(embeddings: ArrayLike, *, before: ArrayLike, again: ArrayLike) -> dict[str, Estimate]:
    r"""Figures on a table of vectors, one per distinct text, by the names that reports and alarms know them by.

    ``duplicate_emb`` is the share of vectors that equal an earlier one, although their texts differ.
    ``effective_rank`` is how many directions are in use: :math:`\exp H` of the shares that directions have in the
    variance, from 1 to ``D`` (Roy and Vetterli, 2007). ``emb_cosine_probe`` is the lowest cosine between a vector
    and the same state's, encoded once more.

    Args:
        embeddings: ``[N, D]``, finite; the client that fetched them has seen to it.
        before: some states' vectors as the head was trained on them, ``[M, D]``.
        again: the same states' vectors, from an encoder that remembers nothing, ``[M, D]``.

    Raises:
        ValueError: ``before`` and ``again`` differ in shape.
    """
    table = np.asarray(embeddings)
    cosines = _cosines(np.asarray(before, dtype=np.float64), np.asarray(again, dtype=np.float64))
    duplicates = 1.0 - len(np.unique(table, axis=0)) / len(table)
    return {
        "duplicate_emb": Estimate.plain(duplicates, len(table)),
        "effective_rank": Estimate.plain(_effective_rank(table), len(table)),
        "emb_cosine_probe": Estimate.plain(float(cosines.min()), len(cosines)),
    }


def _effective_rank(rows: Floats) -> float:
    """Of the centred rows; 0 if they are all the same."""
    if len(rows) > _MOST_ROWS:
        rows = rows[np.random.default_rng(0).choice(len(rows), _MOST_ROWS, replace=False)]
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    gram = centred @ centred.T if len(centred) <= centred.shape[1] else centred.T @ centred
    variance = np.maximum(np.linalg.eigvalsh(gram), 0.0)
    if variance.sum() <= 0:
        return 0.0
    share = variance[variance > 0] / variance.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def _cosines(left: Floats, right: Floats) -> Floats:
    """Cosine of each pair of rows; 0 where one of them has no direction."""
    if left.shape != right.shape:
        raise ValueError(f"the two encodings differ in shape: {left.shape} before, {right.shape} again")
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    cosine = np.where(lengths > 0, (left * right).sum(axis=1) / np.where(lengths > 0, lengths, 1.0), 0.0)
    return np.nan_to_num(cosine)
