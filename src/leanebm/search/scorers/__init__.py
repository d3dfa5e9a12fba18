"""Ways to say how promising a state is: one per file, each an object with :meth:`StateScorer.score`.

A new one is a new file, or a class of your own: :func:`leanebm.testing.check_scorer` says whether a
search can rely on it.
"""

from leanebm.search.scorers.breadth_first import BreadthFirst
from leanebm.search.scorers.cumulative_log_prob import CumulativeLogProb
from leanebm.search.scorers.depth_first import DepthFirst
from leanebm.search.scorers.depth_ramp import DepthRamp
from leanebm.search.scorers.goal_count import GoalCount
from leanebm.search.scorers.length_normalised import LengthNormalisedLogProb
from leanebm.search.scorers.negative_energy import NegativeEnergy
from leanebm.search.scorers.random_order import RandomOrder
from leanebm.search.scorers.shortest_state import ShortestState
from leanebm.search.scorers.weighted_sum import WeightedSum, WeightedTerm

__all__ = [
    "BreadthFirst",
    "CumulativeLogProb",
    "DepthFirst",
    "DepthRamp",
    "GoalCount",
    "LengthNormalisedLogProb",
    "NegativeEnergy",
    "RandomOrder",
    "ShortestState",
    "WeightedSum",
    "WeightedTerm",
]
