"""A measured figure and how sure it is."""

from __future__ import annotations

import math
from typing import Any, Self

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_BATCH = 2**20
"""Draws held at a time while resampling: 8 MiB."""


@attrs.frozen(kw_only=True)
class Estimate:
    """A figure with its uncertainty over theorems. ``None`` where there is nothing to measure it on.

    The uncertainty is over theorems, not over states: states of one proof resemble one another, so counting
    each as a witness of its own would make every interval far too narrow.
    """

    value: float | None
    standard_error: float | None = None
    """Standard deviation of the figure over samples of theorems; ``None`` below two theorems."""

    low: float | None = None
    """Lower end of the 95 % bootstrap interval."""

    high: float | None = None
    """Upper end of the 95 % bootstrap interval."""

    count: int = 0
    """How many theorems it was measured on; for a figure without an interval, how many items."""

    @classmethod
    def plain(cls, value: float, count: int) -> Self:
        """A figure without an interval; a value that is not finite becomes ``None``."""
        return cls(value=float(value) if math.isfinite(value) else None, count=count)

    @classmethod
    def nothing(cls) -> Self:
        """There was nothing to measure."""
        return cls(value=None)

    def is_above(self, threshold: float) -> bool:
        """Whether the whole interval lies above ``threshold``; without an interval, ``False``."""
        return self.low is not None and self.low > threshold

    def is_below(self, threshold: float) -> bool:
        """Whether the whole interval lies below ``threshold``; without an interval, ``False``."""
        return self.high is not None and self.high < threshold


def theorem_means(values: ArrayLike, theorem: ArrayLike) -> Floats:
    """Mean of ``values`` ``[N]`` within each theorem, ``[T]``, theorems in the order of their ids.

    Values that are not finite are left out, and so is a theorem without any other.
    """
    flat = np.asarray(values, dtype=np.float64)
    ids = np.asarray(theorem)
    known = np.isfinite(flat)
    _, index = np.unique(ids[known], return_inverse=True)
    means: Floats = np.bincount(index, weights=flat[known]) / np.maximum(np.bincount(index), 1)
    return means


def macro_mean(values: ArrayLike, theorem: ArrayLike, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    r"""Mean over theorems of the mean within each, so that a long proof counts no more than a short one.

    The standard error is :math:`\mathrm{sd}(m_1 \dots m_T) / \sqrt T` over theorem means; the interval is the
    2.5th to 97.5th percentile of ``resamples`` bootstrap means, each over ``T`` theorems drawn with replacement.

    Args:
        values: one figure per item, ``[N]``; those that are not finite are left out.
        theorem: which theorem each belongs to, ``[N]``, of any comparable type.
        resamples: bootstrap samples; 0 leaves out the interval, for those who measure often.
        seed: of the bootstrap.
    """
    means = theorem_means(values, theorem)
    count = len(means)
    if count == 0:
        return Estimate.nothing()
    if count == 1:
        return Estimate(value=float(means[0]), count=1)
    interval: dict[str, Any] = {}
    if resamples > 0:
        low, high = np.quantile(_bootstrap_means(means, resamples, seed), (0.025, 0.975))
        interval = {"low": float(low), "high": float(high)}
    error = float(means.std(ddof=1) / math.sqrt(count))
    return Estimate(value=float(means.mean()), standard_error=error, count=count, **interval)


def _bootstrap_means(means: Floats, resamples: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    rows = max(1, _BATCH // len(means))
    sizes = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    return np.concatenate([means[rng.integers(len(means), size=(size, len(means)))].mean(axis=1) for size in sizes])
