"""Prove Lean 4 theorems: a policy proposes, an energy head scores, search spends the budget, Lean decides.

Names are imported on first use, so ``import leanebm`` pulls in neither torch nor aiohttp.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leanebm.core import Candidate, Certificate, Goal, ProofState, Theorem
    from leanebm.energy import EnergyHead
    from leanebm.lean import LeanPool, LeanPoolConfig, LeanWorker, ProofHandle, ProofHandleOwned
    from leanebm.policy import PolicyClient, PolicyClientConfig
    from leanebm.search import BestFirstSearch, SearchBudget, SearchConfig, SearchOutcome, SearchResult

_HOME = {
    "BestFirstSearch": "leanebm.search",
    "Candidate": "leanebm.core",
    "Certificate": "leanebm.core",
    "EnergyHead": "leanebm.energy",
    "Goal": "leanebm.core",
    "LeanPool": "leanebm.lean",
    "LeanPoolConfig": "leanebm.lean",
    "LeanWorker": "leanebm.lean",
    "PolicyClient": "leanebm.policy",
    "PolicyClientConfig": "leanebm.policy",
    "ProofHandle": "leanebm.lean",
    "ProofHandleOwned": "leanebm.lean",
    "ProofState": "leanebm.core",
    "SearchBudget": "leanebm.search",
    "SearchConfig": "leanebm.search",
    "SearchOutcome": "leanebm.search",
    "SearchResult": "leanebm.search",
    "Theorem": "leanebm.core",
}

__all__ = [
    "BestFirstSearch",
    "Candidate",
    "Certificate",
    "EnergyHead",
    "Goal",
    "LeanPool",
    "LeanPoolConfig",
    "LeanWorker",
    "PolicyClient",
    "PolicyClientConfig",
    "ProofHandle",
    "ProofHandleOwned",
    "ProofState",
    "SearchBudget",
    "SearchConfig",
    "SearchOutcome",
    "SearchResult",
    "Theorem",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("leanebm")
    if name not in _HOME:
        raise AttributeError(f"module 'leanebm' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
