"""Best-first search: the algorithm alone. It knows policies, scorers and Lean only by their interfaces."""

from leanebm.search.best_first import BestFirstSearch, SearchConfig
from leanebm.search.budget import BudgetMeter, Clock, SearchBudget
from leanebm.search.frontier import Frontier
from leanebm.search.result import SearchOutcome, SearchResult, SearchStatistics
from leanebm.search.scorers import (
    BreadthFirst,
    CumulativeLogProb,
    LengthNormalisedLogProb,
    NegativeEnergy,
    WeightedSum,
    WeightedTerm,
)
from leanebm.search.tree import Edge, EdgeKind, Node, NodeStatus, Rival, SearchTree

__all__ = [
    "BestFirstSearch",
    "BreadthFirst",
    "BudgetMeter",
    "Clock",
    "CumulativeLogProb",
    "Edge",
    "EdgeKind",
    "Frontier",
    "LengthNormalisedLogProb",
    "NegativeEnergy",
    "Node",
    "NodeStatus",
    "Rival",
    "SearchBudget",
    "SearchConfig",
    "SearchOutcome",
    "SearchResult",
    "SearchStatistics",
    "SearchTree",
    "WeightedSum",
    "WeightedTerm",
]
