"""Prove Lean 4 theorems: a policy proposes, an energy head scores, search spends the budget, Lean decides.

Names and packages are imported on first use, so ``import leanebm`` pulls in neither torch nor aiohttp.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # type checkers take it for true; importing typing for it would cost most of the time

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

_NAMES = (*_PACKAGES, *_HOME)

if TYPE_CHECKING:
    from leanebm import cassette as cassette
    from leanebm import core as core
    from leanebm import data as data
    from leanebm import energy as energy
    from leanebm import errors as errors
    from leanebm import lean as lean
    from leanebm import pipeline as pipeline
    from leanebm import policy as policy
    from leanebm import search as search
    from leanebm import serve as serve
    from leanebm import storage as storage
    from leanebm import testing as testing
    from leanebm import trajectory as trajectory
    from leanebm.core import Candidate as Candidate
    from leanebm.core import Certificate as Certificate
    from leanebm.core import CertificationRejected as CertificationRejected
    from leanebm.core import EnergyModel as EnergyModel
    from leanebm.core import Goal as Goal
    from leanebm.core import Leaf as Leaf
    from leanebm.core import Node as Node
    from leanebm.core import ProofAdvanced as ProofAdvanced
    from leanebm.core import ProofCertifier as ProofCertifier
    from leanebm.core import ProofEnvironment as ProofEnvironment
    from leanebm.core import ProofFinished as ProofFinished
    from leanebm.core import ProofSearch as ProofSearch
    from leanebm.core import ProofSession as ProofSession
    from leanebm.core import ProofState as ProofState
    from leanebm.core import SearchOutcome as SearchOutcome
    from leanebm.core import SearchResult as SearchResult
    from leanebm.core import StateEncoder as StateEncoder
    from leanebm.core import StateScorer as StateScorer
    from leanebm.core import TacticPolicy as TacticPolicy
    from leanebm.core import TacticRejected as TacticRejected
    from leanebm.core import TacticTimedOut as TacticTimedOut
    from leanebm.core import Theorem as Theorem
    from leanebm.energy import EnergyHead as EnergyHead
    from leanebm.energy import HeadEnergyModel as HeadEnergyModel
    from leanebm.energy import load_checkpoint as load_checkpoint
    from leanebm.lean import BlockingLeanPool as BlockingLeanPool
    from leanebm.lean import Certifier as Certifier
    from leanebm.lean import LeanPool as LeanPool
    from leanebm.lean import LeanPoolConfig as LeanPoolConfig
    from leanebm.lean import ProofHandle as ProofHandle
    from leanebm.lean import ProofHandleOwned as ProofHandleOwned
    from leanebm.lean import ReplayingEnvironment as ReplayingEnvironment
    from leanebm.pipeline import CertificationRun as CertificationRun
    from leanebm.pipeline import ContrastiveConfig as ContrastiveConfig
    from leanebm.pipeline import ContrastiveRun as ContrastiveRun
    from leanebm.pipeline import EnergySources as EnergySources
    from leanebm.pipeline import LibraryRun as LibraryRun
    from leanebm.pipeline import Part as Part
    from leanebm.pipeline import Parts as Parts
    from leanebm.pipeline import ProbeRun as ProbeRun
    from leanebm.pipeline import ProofAttempt as ProofAttempt
    from leanebm.pipeline import ProofRun as ProofRun
    from leanebm.pipeline import Prover as Prover
    from leanebm.pipeline import Results as Results
    from leanebm.pipeline import RunConfig as RunConfig
    from leanebm.pipeline import RunFolder as RunFolder
    from leanebm.pipeline import SearchRun as SearchRun
    from leanebm.pipeline import Workbench as Workbench
    from leanebm.pipeline import load_theorems as load_theorems
    from leanebm.pipeline import open_workbench as open_workbench
    from leanebm.pipeline import prove as prove
    from leanebm.pipeline import read_run_config as read_run_config
    from leanebm.pipeline import summarise_run as summarise_run
    from leanebm.pipeline import theorem_of as theorem_of
    from leanebm.pipeline.energy.training_run import EnergyTrainingConfig as EnergyTrainingConfig
    from leanebm.pipeline.energy.training_run import EnergyTrainingRun as EnergyTrainingRun
    from leanebm.policy import PolicyClient as PolicyClient
    from leanebm.policy import PolicyClientConfig as PolicyClientConfig
    from leanebm.search import BestFirstSearch as BestFirstSearch
    from leanebm.search import BreadthFirst as BreadthFirst
    from leanebm.search import CumulativeLogProb as CumulativeLogProb
    from leanebm.search import DepthFirst as DepthFirst
    from leanebm.search import LengthNormalisedLogProb as LengthNormalisedLogProb
    from leanebm.search import NegativeEnergy as NegativeEnergy
    from leanebm.search import RandomOrder as RandomOrder
    from leanebm.search import SearchBudget as SearchBudget
    from leanebm.search import SearchConfig as SearchConfig
    from leanebm.search import SearchFactory as SearchFactory
    from leanebm.search import SearchObserver as SearchObserver
    from leanebm.search import SearchProgress as SearchProgress
    from leanebm.search import SearchTree as SearchTree
    from leanebm.search import ShortestState as ShortestState
    from leanebm.search import WeightedSum as WeightedSum
    from leanebm.search import WeightedTerm as WeightedTerm
    from leanebm.trajectory import read_trajectory as read_trajectory
else:
    __all__ = sorted(_NAMES)


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

    absent = {name for name in _NAMES if _HOME.get(name, name) in _OF_ENERGY} if missing_of("energy") else set()
    return sorted({*globals(), *_NAMES} - absent)
