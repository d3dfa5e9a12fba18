"""What running one tactic leads to.

A tactic that fails is an ordinary outcome. A worker that fails is an exception
(:class:`leanebm.errors.WorkerLost`) and says nothing about the tactic.
"""

from __future__ import annotations

import attrs

from leanebm.core.proof_state import ProofState

__all__ = ["ProofAdvanced", "ProofFinished", "TacticOutcome", "TacticRejected", "TacticTimedOut"]


@attrs.frozen
class ProofAdvanced:
    """Lean accepted the tactic and goals are left."""

    state: ProofState
    elapsed_s: float
    """Seconds from sending the request to reading its answer."""


@attrs.frozen
class ProofFinished:
    """Lean accepted the tactic and no goal is left: a proof, once it is certified."""

    state: ProofState
    elapsed_s: float


@attrs.frozen
class TacticRejected:
    """Lean refused the tactic: it does not parse, does not elaborate, or does not apply."""

    message: str
    """Lean's own words."""

    elapsed_s: float


@attrs.frozen
class TacticTimedOut:
    """The tactic ran into a limit inside Lean (heartbeats, recursion, time); the worker lives on."""

    message: str
    elapsed_s: float


TacticOutcome = ProofAdvanced | ProofFinished | TacticRejected | TacticTimedOut
"""Closed union: match it exhaustively."""
