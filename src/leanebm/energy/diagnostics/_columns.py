"""Converters of columns, for values that are tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["floats", "integers", "names", "truths"]


def floats(values: ArrayLike) -> NDArray[np.float64]:
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
