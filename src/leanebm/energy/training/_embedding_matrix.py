"""From vectors by text to one matrix, with every sign of a broken encoder looked for on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leanebm.errors import EnergyError

__all__ = ["embedding_matrix"]

MAX_SHARED_FRACTION: Final = 0.1
"""Different states may share a vector now and then, when their difference was cut off; this many may not."""


def embedding_matrix(texts: Sequence[str], embeddings: Mapping[str, ArrayLike]) -> NDArray[np.float32]:
    """The vectors of ``texts``, one a row, ``[N, D]``.

    Raises:
        EnergyError: vectors are missing, of different widths, all zero, not finite, or shared by so many
            states that the encoder cannot have read them. All that is wrong is listed.
    """
    missing = [text for text in texts if text not in embeddings]
    if missing:
        raise EnergyError(
            f"{len(missing)} of {len(texts)} states have no embedding, such as {_excerpt(missing[0])}. "
            "Encode every text that `state_texts(groups)` names."
        )
    width = np.asarray(embeddings[texts[0]]).size
    matrix = np.empty((len(texts), width), dtype=np.float32)
    for row, text in zip(matrix, texts, strict=True):
        vector = np.asarray(embeddings[text], dtype=np.float32)
        if vector.shape != (width,):
            raise EnergyError(
                f"embeddings must be vectors of one width: {_excerpt(texts[0])} has {width} numbers, "
                f"{_excerpt(text)} has shape {list(vector.shape)}. Encode all states with one encoder."
            )
        row[:] = vector
    problems = list(_problems(texts, matrix))
    if problems:
        raise EnergyError("the embeddings are damaged; the encoder is at fault:\n" + "\n".join(problems))
    return matrix


def _problems(texts: Sequence[str], matrix: NDArray[np.float32]) -> Iterator[str]:
    is_finite = np.isfinite(matrix).all(axis=1)
    is_zero = ~matrix.any(axis=1)
    for fault, rows in (("are not finite", ~is_finite), ("are all zero", is_zero)):
        if rows.any():
            example = _excerpt(texts[int(rows.argmax())])
            yield f"  - {int(rows.sum())} of {len(texts)} {fault}, such as that of {example}"
    shared = _count_shared(matrix[is_finite & ~is_zero])
    if shared > MAX_SHARED_FRACTION * len(texts):
        yield (
            f"  - {shared} of {len(texts)} states have the same vector as another state; "
            f"at most {MAX_SHARED_FRACTION:.0%} may (is the text cut off too early, or ignored?)"
        )


def _count_shared(matrix: NDArray[np.float32]) -> int:
    """Rows that repeat an earlier row, bit by bit."""
    return len(matrix) - len({row.tobytes() for row in matrix})


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
