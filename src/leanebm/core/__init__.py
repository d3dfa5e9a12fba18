"""Values that every layer speaks in, and the interfaces between layers. Imports nothing but attrs."""

from leanebm.core.candidate import Candidate
from leanebm.core.certificate import Certificate, CertificationRejected, CertificationResult
from leanebm.core.goal import Goal, Hypothesis
from leanebm.core.interfaces import ProofCertifier, ProofEnvironment, ProofSession, StateScorer, TacticPolicy
from leanebm.core.leaf import Leaf
from leanebm.core.outcome import ProofAdvanced, ProofFinished, TacticOutcome, TacticRejected, TacticTimedOut
from leanebm.core.proof_state import ProofState, StateRef
from leanebm.core.theorem import Theorem

__all__ = [
    "Candidate",
    "Certificate",
    "CertificationRejected",
    "CertificationResult",
    "Goal",
    "Hypothesis",
    "Leaf",
    "ProofAdvanced",
    "ProofCertifier",
    "ProofEnvironment",
    "ProofFinished",
    "ProofSession",
    "ProofState",
    "StateRef",
    "StateScorer",
    "TacticOutcome",
    "TacticPolicy",
    "TacticRejected",
    "TacticTimedOut",
    "Theorem",
]
