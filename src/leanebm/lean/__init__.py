"""Lean: workers that speak Pantograph's protocol, a pool of them, proofs pinned to them, certification."""

from leanebm.lean._goal_text import parse_goal_text
from leanebm.lean.backends import CommandBackend, EmbeddedBackend, NativeBackend, PantographBackend
from leanebm.lean.backends.base import Dialect, LeanBackend, WorkerCommand
from leanebm.lean.blocking import BlockingLeanPool, BlockingProof
from leanebm.lean.certifier import Certifier
from leanebm.lean.config import LeanPoolConfig
from leanebm.lean.pool import LeanPool
from leanebm.lean.proof import Opening, ProofHandle, ProofHandleOwned
from leanebm.lean.replay import ReplayingEnvironment, ReplayingProof
from leanebm.lean.spread import SpreadingEnvironment, SpreadProof
from leanebm.lean.statistics import PoolStatistics, RetirementReason, WorkerStatistics

__all__ = [
    "BlockingLeanPool",
    "BlockingProof",
    "Certifier",
    "CommandBackend",
    "Dialect",
    "EmbeddedBackend",
    "LeanBackend",
    "LeanPool",
    "LeanPoolConfig",
    "NativeBackend",
    "Opening",
    "PantographBackend",
    "PoolStatistics",
    "ProofHandle",
    "ProofHandleOwned",
    "ReplayingEnvironment",
    "ReplayingProof",
    "RetirementReason",
    "SpreadProof",
    "SpreadingEnvironment",
    "WorkerCommand",
    "WorkerStatistics",
    "parse_goal_text",
]
