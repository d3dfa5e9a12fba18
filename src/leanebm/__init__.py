"""Prove Lean 4 theorems: a policy proposes, an energy head scores, search spends the budget, Lean decides.

Names and packages are imported on first use, so ``import leanebm`` pulls in neither torch nor aiohttp.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # type checkers take it for true; importing typing for it would cost most of the time

if TYPE_CHECKING:
    from leanebm import (
        cassette,
        core,
        data,
        energy,
        errors,
        lean,
        pipeline,
        policy,
        search,
        serve,
        storage,
        testing,
        trajectory,
    )
    from leanebm.core import (
        Candidate,
        Certificate,
        CertificationRejected,
        EnergyModel,
        Goal,
        Leaf,
        Node,
        ProofAdvanced,
        ProofCertifier,
        ProofEnvironment,
        ProofFinished,
        ProofSearch,
        ProofSession,
        ProofState,
        SearchOutcome,
        SearchResult,
        StateEncoder,
        StateScorer,
        TacticPolicy,
        TacticRejected,
        TacticTimedOut,
        Theorem,
    )
    from leanebm.energy import EnergyHead, HeadEnergyModel, load_checkpoint
    from leanebm.lean import (
        BlockingLeanPool,
        Certifier,
        LeanPool,
        LeanPoolConfig,
        ProofHandle,
        ProofHandleOwned,
        ReplayingEnvironment,
    )
    from leanebm.pipeline import (
        CertificationRun,
        ContrastiveConfig,
        ContrastiveRun,
        EnergySources,
        LibraryRun,
        Part,
        Parts,
        ProbeRun,
        ProofAttempt,
        ProofRun,
        Prover,
        Results,
        RunConfig,
        RunFolder,
        SearchRun,
        Workbench,
        load_theorems,
        open_workbench,
        prove,
        read_run_config,
        summarise_run,
        theorem_of,
    )
    from leanebm.pipeline.energy.training_run import EnergyTrainingConfig, EnergyTrainingRun
    from leanebm.policy import PolicyClient, PolicyClientConfig
    from leanebm.search import (
        BestFirstSearch,
        BreadthFirst,
        CumulativeLogProb,
        DepthFirst,
        LengthNormalisedLogProb,
        NegativeEnergy,
        RandomOrder,
        SearchBudget,
        SearchConfig,
        SearchFactory,
        SearchObserver,
        SearchProgress,
        SearchTree,
        ShortestState,
        WeightedSum,
        WeightedTerm,
    )
    from leanebm.trajectory import read_trajectory

_PACKAGES = (
    "cassette",
    "core",
    "data",
    "energy",
    "errors",
    "lean",
    "pipeline",
    "policy",
    "search",
    "serve",
    "storage",
    "testing",
    "trajectory",
)

_HOMES = {
    "core": (
        "Candidate",
        "Certificate",
        "CertificationRejected",
        "EnergyModel",
        "Goal",
        "Leaf",
        "Node",
        "ProofAdvanced",
        "ProofCertifier",
        "ProofEnvironment",
        "ProofFinished",
        "ProofSearch",
        "ProofSession",
        "ProofState",
        "SearchOutcome",
        "SearchResult",
        "StateEncoder",
        "StateScorer",
        "TacticPolicy",
        "TacticRejected",
        "TacticTimedOut",
        "Theorem",
    ),
    "energy": ("EnergyHead", "HeadEnergyModel", "load_checkpoint"),
    "lean": (
        "BlockingLeanPool",
        "Certifier",
        "LeanPool",
        "LeanPoolConfig",
        "ProofHandle",
        "ProofHandleOwned",
        "ReplayingEnvironment",
    ),
    "pipeline": (
        "CertificationRun",
        "ContrastiveConfig",
        "ContrastiveRun",
        "EnergySources",
        "LibraryRun",
        "Part",
        "Parts",
        "ProbeRun",
        "ProofAttempt",
        "ProofRun",
        "Prover",
        "Results",
        "RunConfig",
        "RunFolder",
        "SearchRun",
        "Workbench",
        "load_theorems",
        "open_workbench",
        "prove",
        "read_run_config",
        "summarise_run",
        "theorem_of",
    ),
    "pipeline.energy.training_run": ("EnergyTrainingConfig", "EnergyTrainingRun"),
    "policy": ("PolicyClient", "PolicyClientConfig"),
    "search": (
        "BestFirstSearch",
        "BreadthFirst",
        "CumulativeLogProb",
        "DepthFirst",
        "LengthNormalisedLogProb",
        "NegativeEnergy",
        "RandomOrder",
        "SearchBudget",
        "SearchConfig",
        "SearchFactory",
        "SearchObserver",
        "SearchProgress",
        "SearchTree",
        "ShortestState",
        "WeightedSum",
        "WeightedTerm",
    ),
    "trajectory": ("read_trajectory",),
}

_OF_ENERGY = ("energy", "pipeline.energy.training_run")
"""Where the extra of that name is needed."""

_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BestFirstSearch",
    "BlockingLeanPool",
    "BreadthFirst",
    "Candidate",
    "Certificate",
    "CertificationRejected",
    "CertificationRun",
    "Certifier",
    "ContrastiveConfig",
    "ContrastiveRun",
    "CumulativeLogProb",
    "DepthFirst",
    "EnergyHead",
    "EnergyModel",
    "EnergySources",
    "EnergyTrainingConfig",
    "EnergyTrainingRun",
    "Goal",
    "HeadEnergyModel",
    "Leaf",
    "LeanPool",
    "LeanPoolConfig",
    "LengthNormalisedLogProb",
    "LibraryRun",
    "NegativeEnergy",
    "Node",
    "Part",
    "Parts",
    "PolicyClient",
    "PolicyClientConfig",
    "ProbeRun",
    "ProofAdvanced",
    "ProofAttempt",
    "ProofCertifier",
    "ProofEnvironment",
    "ProofFinished",
    "ProofHandle",
    "ProofHandleOwned",
    "ProofRun",
    "ProofSearch",
    "ProofSession",
    "ProofState",
    "Prover",
    "RandomOrder",
    "ReplayingEnvironment",
    "Results",
    "RunConfig",
    "RunFolder",
    "SearchBudget",
    "SearchConfig",
    "SearchFactory",
    "SearchObserver",
    "SearchOutcome",
    "SearchProgress",
    "SearchResult",
    "SearchRun",
    "SearchTree",
    "ShortestState",
    "StateEncoder",
    "StateScorer",
    "TacticPolicy",
    "TacticRejected",
    "TacticTimedOut",
    "Theorem",
    "WeightedSum",
    "WeightedTerm",
    "Workbench",
    "cassette",
    "core",
    "data",
    "energy",
    "errors",
    "lean",
    "load_checkpoint",
    "load_theorems",
    "open_workbench",
    "pipeline",
    "policy",
    "prove",
    "read_run_config",
    "read_trajectory",
    "search",
    "serve",
    "storage",
    "summarise_run",
    "testing",
    "theorem_of",
    "trajectory",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("leanebm")
    if name in _PACKAGES:
        return import_module(f"leanebm.{name}")  # which sets the attribute, too
    if name not in _HOME:
        raise AttributeError(f"module 'leanebm' has no attribute {name!r}")
    value = getattr(import_module(f"leanebm.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    # Without what an absent extra would bring: help(leanebm) fetches every name, and the first of those would end it.
    from leanebm._extras import missing_of

    absent = {name for name in __all__ if _HOME.get(name, name) in _OF_ENERGY} if missing_of("energy") else set()
    return sorted({*globals(), *__all__} - absent)
