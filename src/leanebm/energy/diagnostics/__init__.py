"""Whether an energy head is any good, and if not, why."""

from leanebm.energy.diagnostics.estimate import Estimate, macro_mean, theorem_means
from leanebm.energy.diagnostics.siblings import (
    reciprocal_ranks,
    sibling_mrr,
    sibling_pairwise,
    sibling_rank1,
    sibling_rank1_random,
)

__all__ = [
    "Estimate",
    "macro_mean",
    "reciprocal_ranks",
    "sibling_mrr",
    "sibling_pairwise",
    "sibling_rank1",
    "sibling_rank1_random",
    "theorem_means",
]
