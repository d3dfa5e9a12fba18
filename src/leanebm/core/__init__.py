"""Values that every layer speaks in, and the interfaces between layers. Imports nothing but attrs."""

from leanebm.core.candidate import Candidate
from leanebm.core.certificate import ACCEPTED_AXIOMS, Certificate, CertificationRejected, CertificationResult
from leanebm.core.contrastive_group import ContrastiveGroup, Evidence, NegativeState
from leanebm.core.encoder_identity import EncoderIdentity
from leanebm.core.interfaces import (
    BatchingSession,
    EnergyModel,
    ProofCertifier,
    ProofEnvironment,
    ProofSearch,
    ProofSession,
    StateEncoder,
    StateScorer,
    TacticPolicy,
)
from leanebm.core.leaf import Leaf
from leanebm.core.node import Edge, Node, NodeStatus
from leanebm.core.outcome import (
    ProofAdvanced,
    ProofFinished,
    SearchOutcome,
    TacticFate,
    TacticOutcome,
    TacticRejected,
    TacticTimedOut,
)
from leanebm.core.policy_use import PolicyUse
from leanebm.core.proof_script import Proof, ProofStep
from leanebm.core.proof_state import Goal, Hypothesis, ProofState, StateRef
from leanebm.core.search_result import SearchResult, SearchStatistics
from leanebm.core.theorem import Theorem

__all__ = [
    "ACCEPTED_AXIOMS",
    "BatchingSession",
    "Candidate",
    "Certificate",
    "CertificationRejected",
    "CertificationResult",
    "ContrastiveGroup",
    "Edge",
    "EncoderIdentity",
    "EnergyModel",
    "Evidence",
    "Goal",
    "Hypothesis",
    "Leaf",
    "NegativeState",
    "Node",
    "NodeStatus",
    "PolicyUse",
    "Proof",
    "ProofAdvanced",
    "ProofCertifier",
    "ProofEnvironment",
    "ProofFinished",
    "ProofSearch",
    "ProofSession",
    "ProofState",
    "ProofStep",
    "SearchOutcome",
    "SearchResult",
    "SearchStatistics",
    "StateEncoder",
    "StateRef",
    "StateScorer",
    "TacticFate",
    "TacticOutcome",
    "TacticPolicy",
    "TacticRejected",
    "TacticTimedOut",
    "Theorem",
]
