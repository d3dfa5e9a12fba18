"""Best-first search: the algorithm alone. It knows policies, scorers and Lean only by their interfaces."""

from leanebm.search.and_or import AndOrSearch
from leanebm.search.beam import BeamSearch
from leanebm.search.best_first import BestFirstSearch, SearchConfig
from leanebm.search.budget import BudgetMeter, Clock, SearchBudget
from leanebm.search.cheap_first import CheapFirstSearch
from leanebm.search.depth_first import DepthFirstSearch
from leanebm.search.distinct_heads import DistinctHeadsSearch
from leanebm.search.factory import SearchFactory
from leanebm.search.frontier import Frontier
from leanebm.search.limits import LimitsSearch
from leanebm.search.portfolio import PortfolioSearch
from leanebm.search.probing import ProbingSearch
from leanebm.search.progress import Expansion, SearchObserver, SearchProgress, conduct_search
from leanebm.search.puct import PuctSearch
from leanebm.search.scorers import (
    BreadthFirst,
    CumulativeLogProb,
    DepthFirst,
    DepthRamp,
    GoalCount,
    LengthNormalisedLogProb,
    NegativeEnergy,
    RandomOrder,
    ShortestState,
    WeightedSum,
    WeightedTerm,
)
from leanebm.search.stacked import stacked
from leanebm.search.tree import Rival, SearchTree
from leanebm.search.whole_proofs import WholeProofSearch

__all__ = [
    "AndOrSearch",
    "BeamSearch",
    "BestFirstSearch",
    "BreadthFirst",
    "BudgetMeter",
    "CheapFirstSearch",
    "Clock",
    "CumulativeLogProb",
    "DepthFirst",
    "DepthFirstSearch",
    "DepthRamp",
    "DistinctHeadsSearch",
    "Expansion",
    "Frontier",
    "GoalCount",
    "LengthNormalisedLogProb",
    "LimitsSearch",
    "NegativeEnergy",
    "PortfolioSearch",
    "ProbingSearch",
    "PuctSearch",
    "RandomOrder",
    "Rival",
    "SearchBudget",
    "SearchConfig",
    "SearchFactory",
    "SearchObserver",
    "SearchProgress",
    "SearchTree",
    "ShortestState",
    "WeightedSum",
    "WeightedTerm",
    "WholeProofSearch",
    "conduct_search",
    "stacked",
]
